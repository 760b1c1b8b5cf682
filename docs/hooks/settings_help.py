"""An extension of the site's build: the reference describes a setting by its ``help``."""

import ast
from typing import Any

from griffe import Attribute, Docstring, ExprCall, Extension


class SettingsHelp(Extension):
    """Shows ``name: type = setting(default, "help")`` with its default, described by its help."""

    def on_attribute_instance(self, *, node: Any, attr: Attribute, **_: Any) -> None:
        """Called by griffe for each attribute of a class or module."""
        value = attr.value
        if isinstance(value, ExprCall) and str(value.function) == "setting":
            attr.docstring = Docstring(ast.literal_eval(node.value.args[1]), parent=attr)
            attr.value = value.arguments[0]
