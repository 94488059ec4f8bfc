"""What counts as a definition in each language: tree-sitter queries.

In a pattern the outer capture is the kind, ``@name`` the name, ``@owner`` a type that the
definition belongs to from outside. Where two patterns find the same name the first one counts.
Two kinds are for ourselves: ``scope`` only qualifies what is in it (Rust's ``impl``), ``prototype``
is a function unless it stands in a function, where it is a C++ variable.
"""

from __future__ import annotations

_PYTHON = """
(function_definition name: (identifier) @name) @function
(class_definition name: (identifier) @name) @class
(type_alias_statement left: (type . (_) @name)) @type
(module (expression_statement (assignment left: (identifier) @name) @constant))
"""
_JAVASCRIPT = """
(function_declaration name: (identifier) @name) @function
(generator_function_declaration name: (identifier) @name) @function
(class_declaration name: (_) @name) @class
(method_definition name: (_) @name) @method
(variable_declarator name: (identifier) @name
  value: [(arrow_function) (function_expression) (generator_function)]) @function
(variable_declarator name: (identifier) @name value: (class)) @class
(assignment_expression left: (member_expression property: (property_identifier) @name)
  right: [(arrow_function) (function_expression) (generator_function)]) @function
(pair key: (property_identifier) @name
  value: [(arrow_function) (function_expression)]) @method
(program (lexical_declaration (variable_declarator name: (identifier) @name) @constant))
(program (export_statement
  (lexical_declaration (variable_declarator name: (identifier) @name) @constant)))
"""
_JAVASCRIPT_ONLY = """
(field_definition property: (_) @name
  value: [(arrow_function) (function_expression)]) @method
"""
_TYPESCRIPT_ONLY = """
(public_field_definition name: (_) @name
  value: [(arrow_function) (function_expression)]) @method
(abstract_class_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @interface
(type_alias_declaration name: (_) @name) @type
(enum_declaration name: (identifier) @name) @enum
(function_signature name: (identifier) @name) @function
(method_signature name: (_) @name) @method
(abstract_method_signature name: (_) @name) @method
(internal_module name: (_) @name) @module
(module name: (_) @name) @module
"""
_RUST = """
(function_item name: (identifier) @name) @function
(function_signature_item name: (identifier) @name) @function
(struct_item name: (type_identifier) @name) @struct
(union_item name: (type_identifier) @name) @struct
(enum_item name: (type_identifier) @name) @enum
(trait_item name: (type_identifier) @name) @trait
(type_item name: (type_identifier) @name) @type
(mod_item name: (identifier) @name body: (_)) @module
(const_item name: (identifier) @name) @constant
(static_item name: (identifier) @name) @constant
(macro_definition name: (identifier) @name) @macro
(impl_item type: (type_identifier) @name) @scope
(impl_item type: (generic_type type: (type_identifier) @name)) @scope
(impl_item type: (scoped_type_identifier name: (type_identifier) @name)) @scope
"""
_GO = """
(function_declaration name: (identifier) @name) @function
(method_declaration receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @owner
    (generic_type type: (type_identifier) @owner)
    (pointer_type (type_identifier) @owner)
    (pointer_type (generic_type type: (type_identifier) @owner))]))
  name: (field_identifier) @name) @method
(method_declaration name: (field_identifier) @name) @method
(type_spec name: (type_identifier) @name type: (struct_type)) @struct
(type_spec name: (type_identifier) @name type: (interface_type)) @interface
(type_spec name: (type_identifier) @name) @type
(type_alias name: (type_identifier) @name) @type
(source_file (const_declaration (const_spec name: (identifier) @name) @constant))
(source_file (var_declaration (var_spec name: (identifier) @name) @variable))
(source_file (var_declaration (var_spec_list (var_spec name: (identifier) @name) @variable)))
"""
_JAVA = """
(class_declaration name: (identifier) @name) @class
(record_declaration name: (identifier) @name) @class
(interface_declaration name: (identifier) @name) @interface
(annotation_type_declaration name: (identifier) @name) @interface
(enum_declaration name: (identifier) @name) @enum
(method_declaration name: (identifier) @name) @method
(constructor_declaration name: (identifier) @name) @method
"""
_C_TYPES = """
(struct_specifier name: (type_identifier) @name body: (_)) @struct
(union_specifier name: (type_identifier) @name body: (_)) @struct
(enum_specifier name: (type_identifier) @name body: (_)) @enum
(type_definition declarator: (type_identifier) @name) @type
(preproc_def name: (identifier) @name) @macro
(preproc_function_def name: (identifier) @name) @macro
"""
_CPP_TYPES = """
(class_specifier name: (type_identifier) @name body: (_)) @class
(namespace_definition name: (_) @name) @module
(alias_declaration name: (type_identifier) @name) @type
(concept_definition name: (identifier) @name) @type
"""
_RUBY = """
(method name: (_) @name) @function
(singleton_method name: (_) @name) @function
(class name: (_) @name) @class
(module name: (_) @name) @module
(assignment left: (constant) @name) @constant
"""
_BASH = """
(function_definition name: (word) @name) @function
(program (variable_assignment name: (variable_name) @name) @variable)
(program (declaration_command (variable_assignment name: (variable_name) @name) @variable))
"""
_CSHARP = """
(class_declaration name: (identifier) @name) @class
(record_declaration name: (identifier) @name) @class
(struct_declaration name: (identifier) @name) @struct
(interface_declaration name: (identifier) @name) @interface
(enum_declaration name: (identifier) @name) @enum
(delegate_declaration name: (identifier) @name) @type
(method_declaration name: (identifier) @name) @method
(constructor_declaration name: (identifier) @name) @method
(property_declaration name: (identifier) @name) @property
(local_function_statement name: (identifier) @name) @function
(namespace_declaration name: (_) @name) @module
"""
_PHP = """
(function_definition name: (name) @name) @function
(method_declaration name: (name) @name) @method
(class_declaration name: (name) @name) @class
(interface_declaration name: (name) @name) @interface
(trait_declaration name: (name) @name) @trait
(enum_declaration name: (name) @name) @enum
(const_declaration (const_element . (name) @name) @constant)
"""
_KOTLIN = """
(class_declaration "interface" name: (identifier) @name) @interface
(class_declaration name: (identifier) @name (enum_class_body)) @enum
(class_declaration name: (identifier) @name) @class
(object_declaration name: (identifier) @name) @class
(function_declaration name: (identifier) @name) @function
(type_alias type: (identifier) @name) @type
(source_file (property_declaration (variable_declaration (identifier) @name)) @constant)
"""


def _c_functions(names: str, wrappers: list[str]) -> str:
    """C writes a function's name inside of its type: one pattern for each shape."""
    function = f"(function_declarator declarator: {names} @name)"
    shapes = [wrapper.format(function) for wrapper in wrappers]
    kinds = {
        "function_definition": "function",
        "declaration": "prototype",
        "field_declaration": "prototype",
    }
    return "\n".join(
        f"({node} declarator: {shape}) @{kind}" for node, kind in kinds.items() for shape in shapes
    )


_POINTERS = ["{}", "(pointer_declarator {})", "(pointer_declarator (pointer_declarator {}))"]
_C_NAMES = "[(identifier) (field_identifier)]"
_CPP_NAMES = (
    "[(identifier) (field_identifier) (qualified_identifier) (destructor_name) (operator_name)]"
)

DEFINITIONS: dict[str, str] = {
    "python": _PYTHON,
    "javascript": _JAVASCRIPT + _JAVASCRIPT_ONLY,
    "typescript": _JAVASCRIPT + _TYPESCRIPT_ONLY,
    "tsx": _JAVASCRIPT + _TYPESCRIPT_ONLY,
    "rust": _RUST,
    "go": _GO,
    "java": _JAVA,
    "c": _C_TYPES + _c_functions(_C_NAMES, _POINTERS),
    "cpp": _C_TYPES
    + _CPP_TYPES
    + _c_functions(_CPP_NAMES, [*_POINTERS, "(reference_declarator {})"]),
    "ruby": _RUBY,
    "bash": _BASH,
    "csharp": _CSHARP,
    "php": _PHP,
    "kotlin": _KOTLIN,
}
# Prose and literals: names in them are not references.
MASKS: dict[str, str] = {
    "python": "[(comment) (string_content)] @mask",
    "javascript": "[(comment) (string_fragment) (regex_pattern) (jsx_text)] @mask",
    "typescript": "[(comment) (string_fragment) (regex_pattern)] @mask",
    "tsx": "[(comment) (string_fragment) (regex_pattern) (jsx_text)] @mask",
    "rust": "[(line_comment) (block_comment) (string_content) (char_literal)] @mask",
    "go": """[(comment) (interpreted_string_literal_content) (raw_string_literal_content)
              (rune_literal)] @mask""",
    "java": "[(line_comment) (block_comment) (string_fragment) (character_literal)] @mask",
    "c": "[(comment) (string_content) (char_literal) (system_lib_string)] @mask",
    "cpp": """[(comment) (string_content) (raw_string_content) (char_literal)
               (system_lib_string)] @mask""",
    "ruby": "[(comment) (string_content) (heredoc_content)] @mask",
    "bash": "[(comment) (string_content) (raw_string) (heredoc_content)] @mask",
    "csharp": """[(comment) (string_literal_content) (string_content) (verbatim_string_literal)
                  (character_literal)] @mask""",
    "php": "[(comment) (string_content) (text)] @mask",
    "kotlin": "[(line_comment) (block_comment) (string_content)] @mask",
}
