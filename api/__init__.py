"""The front door: the HTTP application, its pages, and the operations that join the packages below."""
