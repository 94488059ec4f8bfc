"""Drives a session of `agent` from another program: prompts, approvals and an interrupt.

python examples/drive.py "Fix the failing test" "Now add one for an empty cart"
"""

from __future__ import annotations

import json
import subprocess
import sys

COMMAND = ["agent", "do", "--input", "stream-json", "--output", "stream-json", "--approval", "ask"]


def main(tasks: list[str], command: list[str] = COMMAND) -> int:
    agent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert agent.stdin and agent.stdout

    def send(kind: str, **fields: str) -> None:
        print(json.dumps({"type": kind, **fields}), file=agent.stdin, flush=True)

    for number, task in enumerate(tasks):
        send("prompt", id=str(number), text=task)
    send("end")  # no more prompts; answers to questions may still come
    for line in agent.stdout:
        event = json.loads(line)
        if event["type"] == "approval_asked":
            harmless = event["tool"] == "write" and not event["detail"].startswith(".")
            reason = "" if harmless else "only files of the project may be written"
            send("approval", id=event["id"], answer="once" if harmless else "no", reason=reason)
        elif event["type"] == "model_replied" and len(event["tokens"]) > 4000:
            send("interrupt")  # it goes on and on
        elif event["type"] == "turn_ended":
            print(f"{event['stop']}: {event['answer']}\n  changed: {event['changed']}")
        elif event["type"] == "error":
            print(f"error: {event['text']}", file=sys.stderr)
        elif event["type"] == "session_ended":
            print(f"session {event['session']}, {event['usage']['generated']} tokens")
    return agent.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
