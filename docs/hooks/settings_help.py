"""An extension of the site's build: a setting's ``help`` is what the reference says of it."""

import ast
from typing import Any

from griffe import Attribute, Docstring, ExprCall, Extension


class SettingsHelp(Extension):
    """Shows ``name: type = setting(default, "help")`` as its default, described by its help."""

    def on_attribute_instance(self, *, node: Any, attr: Attribute, **_: Any) -> None:
        """Called by griffe for each attribute it finds."""
        value = attr.value
        if isinstance(value, ExprCall) and str(value.function) == "setting":
            attr.docstring = Docstring(ast.literal_eval(node.value.args[1]), parent=attr)
            attr.value = value.arguments[0]
