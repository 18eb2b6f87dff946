"""What words mean: namespaces, identifiers, terms and their hierarchy, crosswalks, the error taxonomy."""
