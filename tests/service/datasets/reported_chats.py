"""Inputs of the kinds that people report of chats, others than those reported, that are refused."""

from typing import Any

from tests.service.datasets.prepared_file import lines, table
from tests.service.datasets.reported_rows import CHAT, TEXTS, chats

REFUSED_CHATS: list[tuple[str, str | bytes, str, dict[str, Any], str, str]] = [
    (
        "16 an answer that was refused",
        chats(refusal="No."),
        "jsonl",
        CHAT,
        "unsupported_member",
        "`refusal`",
    ),
    (
        "16 tools of the row in snake case",
        lines({"prompt": t, "completion": "x", "tool_config": {"mode": "ANY"}} for t in TEXTS),
        "jsonl",
        CHAT,
        "unsupported_member",
        "`tool_config`",
    ),
    (
        "16 tools that are no JSON",
        table([("prompt", "completion", "tools"), *((t, "x", "[{'name': 1}]") for t in TEXTS)]),
        "csv",
        CHAT,
        "unsupported_member",
        "`tools`",
    ),
    (
        "16 a cached context",
        lines({"prompt": t, "completion": "x", "cachedContent": "caches/1"} for t in TEXTS),
        "jsonl",
        CHAT,
        "unsupported_member",
        "`cachedContent`",
    ),
    *(
        (
            f"17 {member} of a turn",
            lines(
                {
                    "contents": [
                        {"role": "user", "parts": [{"text": t}]},
                        {"role": "model", "parts": [{"text": "x"}]} | {member: value},
                    ]
                }
                for t in TEXTS
            ),
            "jsonl",
            CHAT,
            "unsupported_member",
            f"`{member}`",
        )
        for member, value in (("weight", 0), ("learnt", False), ("loss_weight", 0.0))
    ),
    (
        "17 an answer that is not wanted",
        lines({"prompt": t, "completion": "x", "label": at > 2} for at, t in enumerate(TEXTS)),
        "jsonl",
        CHAT,
        "unwanted_answer",
        "row 1: the row's `label` is false",
    ),
    (
        "18 a thought that is marked by a text",
        lines(
            {
                "contents": [
                    {"role": "user", "parts": [{"text": t}]},
                    {"role": "model", "parts": [{"text": "It is 1.", "thought": "false"}]},
                ]
            }
            for t in TEXTS
        ),
        "jsonl",
        CHAT,
        "unsupported_part",
        "`thought` is neither true nor false",
    ),
    (
        "19 two forms in a row",
        lines({"prompt": t, "completion": "x", "messages": [{"role": "user"}]} for t in TEXTS),
        "jsonl",
        CHAT,
        "several_forms",
        "messages and prompt_completion: say which as `form`",
    ),
    (
        "19 a content of texts",
        lines({"messages": [{"role": "user", "content": [t]}]} for t in TEXTS),
        "jsonl",
        CHAT,
        "unsupported_part",
        "a `content` is neither a text nor a list",
    ),
    (
        "17 a row's weight between",
        lines({"prompt": t, "completion": "x", "weight": 0.3} for t in TEXTS),
        "jsonl",
        CHAT,
        "unsupported_weight",
        "neither 0 nor 1",
    ),
    (
        "19 messages as Python prints them",
        table([("messages",), *((str([{"role": "user", "content": t}]),) for t in TEXTS)]),
        "csv",
        {"preset": "generic", "form": "messages"},
        "invalid_messages",
        "json.dumps",
    ),
    (
        "19 a prompt of messages as Python prints them",
        table(
            [
                ("prompt", "completion"),
                *((str([{"role": "user", "content": t}]), "x") for t in TEXTS),
            ]
        ),
        "csv",
        CHAT,
        "invalid_messages",
        "json.dumps",
    ),
    (
        "19 a prompt with an image",
        lines(
            {"prompt": [{"type": "text", "text": t}, {"type": "image_url"}], "completion": "x"}
            for t in TEXTS
        ),
        "jsonl",
        CHAT,
        "unsupported_part",
        "where it holds images",
    ),
]
