"""Operations: permission first, then the rules, then one commit. Each joins packages that do not know each other.

Every function takes the open :class:`~api.catalogue.Catalogue` and the calling
:class:`~api.access.Principal`; routers and pages only parse, call and present.
"""
