"""What servers bring back, as text for a model that has no eyes."""

from __future__ import annotations

import json
from typing import Any

import mcp_types


def result_text(result: mcp_types.CallToolResult) -> str:
    """All content of a result; structured content only where no text says the same."""
    parts = [content_text(item) for item in result.content]
    structured = result.structured_content
    if structured is not None and not _said(result.content, structured):
        parts.append(json.dumps(structured, ensure_ascii=False))
    return "\n".join(part for part in parts if part) or "(no content)"


def content_text(item: Any) -> str:
    """One piece of content: text as it is, of anything else what it is and how large."""
    if isinstance(item, mcp_types.TextContent):
        return item.text
    if isinstance(item, (mcp_types.ImageContent, mcp_types.AudioContent)):
        return f"[{_kind(item.type, item.mime_type)} {_size(item.data)}]"
    if isinstance(item, mcp_types.EmbeddedResource):
        return resource_text(item.resource)
    if isinstance(item, mcp_types.ResourceLink):
        about = f", {item.description}" if item.description else ""
        return f"[resource {item.uri}: {item.name}{about}]"
    return f"[{getattr(item, 'type', 'something')} that cannot be shown]"


def resource_text(resource: Any) -> str:
    """The contents of a resource under a line that names it."""
    if isinstance(resource, mcp_types.TextResourceContents):
        return f"[resource {resource.uri}]\n{resource.text}"
    kind = _kind("blob", resource.mime_type or "")
    return f"[resource {resource.uri}: {kind} {_size(resource.blob)}]"


def prompt_text(result: mcp_types.GetPromptResult) -> str:
    """The messages of a prompt; who speaks is named where it is not the user alone."""
    said = [(message.role, content_text(message.content)) for message in result.messages]
    if all(role == "user" for role, _ in said):
        return "\n\n".join(text for _, text in said)
    return "\n\n".join(f"{role}: {text}" for role, text in said)


def _said(content: list[Any], structured: Any) -> bool:
    """Whether the text of a result has the structured content in it already.

    Servers wrap what is no object as {"result": ...} or under a name of their own; of a list each
    item may be a text.
    """
    texts = [_value(item.text) for item in content if isinstance(item, mcp_types.TextContent)]
    alone = list(structured.values()) if len(structured) == 1 else []
    return any(text == structured or text in alone for text in (*texts, texts))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _kind(kind: str, mime: str) -> str:
    """'image png' of 'image/png'."""
    main, _, sub = mime.partition("/")
    return f"{kind} {sub}" if main == kind and sub else f"{kind} {mime}".strip()


def _size(base64_text: str) -> str:
    size = len(base64_text) * 3 // 4
    return f"{size / 1024:.0f} KB" if size >= 1024 else f"{size} bytes"
