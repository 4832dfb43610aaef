"""Write a llama model of random weights, small or large, the same for the same size and seed.

Usage: python model.py FILE SIZE [SEED]   (SIZE is small or large; needs the gguf package)

What it says has no meaning, but everything about it is as in a large one: a tokenizer of bytes and
words, a chat template, a context, a distribution over the next token. Two things are arranged, by a
channel of the residual stream that holds the same value for every token: of all tokens only words
and the end of text are ever likely, so that each token is whole text and makes one event; and the
end of text comes after some thirty tokens, so that answers end by themselves or by their limit.

The sizes have the same vocabulary and template, so that they count the same tokens of a prompt; the
large one has eight times the weights in its layers, and is that much slower where nothing else is.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

CONTEXT = 2048
EPSILON = 1e-5
UNKNOWN, BEGIN, END = 0, 1, 2
BYTES = 256
# Logits, on a scale on which those of words have a standard deviation of about one.
NEVER = -60.0
END_OF_TEXT = 1.5
CONSTANT = 4.0  # the first channel's value in every token's embedding
# Short, since every byte of it is a token.
TEMPLATE = (
    "{% for message in messages %}{{ message['role'][0] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """What decides how long a token takes."""

    width: int
    heads: int
    feed_forward: int
    layers: int


SIZES = {
    "small": Shape(width=256, heads=4, feed_forward=512, layers=4),
    "large": Shape(width=512, heads=8, feed_forward=1024, layers=8),
}


def vocabulary() -> tuple[list[str], list[gguf.TokenType]]:
    """Tokens and their types: three special ones, all bytes, a blank, and words."""
    words = [f"▁{a}{b}" for a in "bdfgklmnprstvz" for b in "aeiou"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(BYTES)), "▁", *words]
    types = [
        gguf.TokenType.UNKNOWN,
        *[gguf.TokenType.CONTROL] * 2,
        *[gguf.TokenType.BYTE] * BYTES,
        *[gguf.TokenType.NORMAL] * (1 + len(words)),
    ]
    return tokens, types


def tensors(shape: Shape, size: int, first_word: int, seed: int) -> dict[str, np.ndarray]:
    """The weights by name. ``size`` counts tokens, the words among them from ``first_word`` on."""
    chance = np.random.default_rng(seed)
    width, inner = shape.width, shape.feed_forward

    def matrix(rows: int, columns: int) -> np.ndarray:
        return chance.normal(0, columns**-0.5, (rows, columns)).astype(np.float32)

    ones = np.ones(width, np.float32)
    embedding = matrix(size, width) * width**0.5
    embedding[:, 0] = CONSTANT
    output = matrix(size, width)
    output[:, 0] = 0
    output[:first_word] = 0
    output[:first_word, 0] = NEVER
    output[END, 0] = END_OF_TEXT / CONSTANT
    weights = {"token_embd": embedding, "output_norm": ones, "output": output}
    for layer in range(shape.layers):
        block = {
            "attn_norm": ones,
            "attn_q": matrix(width, width),
            "attn_k": matrix(width, width),
            "attn_v": matrix(width, width),
            "attn_output": matrix(width, width),
            "ffn_norm": ones,
            "ffn_gate": matrix(inner, width),
            "ffn_up": matrix(inner, width),
            "ffn_down": matrix(width, inner),
        }
        # Nothing writes to the first channel, so it stays constant.
        block["attn_output"][0] = 0
        block["ffn_down"][0] = 0
        weights |= {f"blk.{layer}.{name}": value for name, value in block.items()}
    return {f"{name}.weight": value for name, value in weights.items()}


def write(path: Path, shape: Shape, seed: int) -> None:
    """Write the model to ``path``."""
    tokens, types = vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random")
    writer.add_vocab_size(len(tokens))
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_block_count(shape.layers)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(index) for index in range(len(tokens))])
    writer.add_token_types(types)
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)
    for name, value in tensors(shape, len(tokens), tokens.index("▁") + 1, seed).items():
        writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), SIZES[sys.argv[2]], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
