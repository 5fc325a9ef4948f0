"""The words people use for roles, for schemas and for fields, and what each means here."""

from __future__ import annotations

from typing import Literal, NamedTuple

CANONICAL = ("system", "user", "assistant", "tool")

ROLE_WORDS = {
    "system": ("system",),
    "user": ("user", "human", "prompter", "person", "customer", "usr"),
    "assistant": (
        *("assistant", "gpt", "chatgpt", "gpt-3.5", "gpt-4", "gpt4", "bing", "bard", "claude"),
        *("gemini", "palm", "llama", "model", "bot", "chatbot", "ai", "llm"),
    ),
    "tool": ("tool",),
}

# Words that say more than the role they stand for: the word is kept beside the message, so
# that writing back gives it again.
TELLING_WORDS = {
    "assistant": ("function_call", "function-call", "functioncall", "tool_call", "tool-call"),
    "system": ("developer",),
    "tool": (
        *("function", "observation", "ipython", "function_response", "function-response"),
        *("function_result", "tool_response", "tool-response", "tool_result", "tool_results"),
    ),
}

ROLE_OF = {word: role for role, words in ROLE_WORDS.items() for word in words}
TELLING_ROLE_OF = {word: role for role, words in TELLING_WORDS.items() for word in words}
SHAREGPT_WORDS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "tool"}

# Where a message keeps its role and its content, in the order they are looked for.
ROLE_KEYS = ("role", "from", "speaker", "author", "sender")
CONTENT_KEYS = ("content", "value", "text", "utterance")

TYPE_WORDS = {
    "sharegpt": "sharegpt vicuna sharegpt_simple",
    "messages": "messages chat_template openai chatml chat conversational harmony",
    "alpaca": "alpaca alpaca_chat alpaca_w_system instruct gpteacher dolly",
    "prompt_completion": "prompt_completion prompt-completion prompt_response input_output",
    "question_answer": "question_answer question-answer qa",
    "preference": "preference pairwise dpo orpo simpo rlhf hh reward bradley_terry",
    "instances": "instances self_instruct self-instruct seed_tasks",
    "instruction": "instruction instruction_only prompt prompt_only",
    "text": "text completion pretrain pretraining plain plaintext raw language_modeling",
    "datamerge": "datamerge",
}
TYPE_OF = {word: name for name, words in TYPE_WORDS.items() for word in words.split()}

Takes = Literal["string", "turns", "prompt", "instances", "history", "object"]


class Slot(NamedTuple):
    """One thing a schema needs, and the keys it goes by."""

    name: str
    keys: tuple[str, ...]
    takes: Takes = "string"
    required: bool = True


_SYSTEM = Slot("system", ("system", "system_prompt", "system_message"), required=False)
_TOOLS = Slot("tools", ("tools",), "object", required=False)
_INSTRUCTION = Slot("instruction", ("instruction", "instructions"))
_INPUT = Slot("input", ("input", "context"), required=False)
_QUESTION = ("question", "query", "problem")
_CHATS = ("messages", "conversations", "conversation", "dialogue", "dialog", "chat", "turns")
_CHAT_SLOTS = (Slot("messages", (*_CHATS, "data"), "turns"), _SYSTEM, _TOOLS)

# In the order they are tried: what asks for more comes first. A chat beside a prompt is a
# chat, a document beside the prompt that made it is a document.
SLOTS: dict[str, tuple[Slot, ...]] = {
    "datamerge": (
        Slot("id", ("id",)),
        Slot("source", ("source",)),
        Slot("meta", ("meta",)),
        Slot("messages", ("messages",), "turns", required=False),
        Slot("text", ("text",), required=False),
    ),
    "preference": (
        Slot("chosen", ("chosen", "chosen_response", "preferred"), "prompt"),
        Slot("rejected", ("rejected", "rejected_response", "dispreferred"), "prompt"),
        Slot("prompt", ("prompt", "instruction", "input", *_QUESTION), "prompt", required=False),
        _SYSTEM,
    ),
    "messages": _CHAT_SLOTS,
    "sharegpt": _CHAT_SLOTS,
    "instances": (_INSTRUCTION, Slot("instances", ("instances",), "instances"), _SYSTEM),
    "alpaca": (
        _INSTRUCTION,
        Slot("output", ("output", "response", "completion", "answer", "target")),
        _INPUT,
        _SYSTEM,
        Slot("history", ("history",), "history", required=False),
    ),
    "question_answer": (
        Slot("question", _QUESTION),
        Slot("answer", ("answer", "response", "solution", "output", "generated_solution")),
        _SYSTEM,
    ),
    "prompt_completion": (
        Slot("prompt", ("prompt", "input", "inputs", "user", "human"), "prompt"),
        Slot(
            "completion",
            (
                *("completion", "response", "output", "outputs", "answer", "target", "targets"),
                *("assistant", "gpt", "bot"),
            ),
            "prompt",
        ),
        _SYSTEM,
    ),
    "text": (
        Slot(
            "text",
            (
                *("text", "content", "contents", "document", "body", "passage", "article"),
                *("raw_content", "page_content", "markdown"),
            ),
        ),
    ),
    "instruction": (
        Slot("instruction", (*_INSTRUCTION.keys, "prompt", *_QUESTION)),
        _INPUT,
        _SYSTEM,
    ),
}
