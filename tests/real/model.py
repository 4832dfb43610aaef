"""Write a small llama model of random weights, the same for the same seed.

Usage: python model.py FILE [SEED]   (needs the gguf package)

What it says has no meaning, but everything about it is as in a large one: a tokenizer of bytes and
words, a chat template, a context, a distribution over the next token. Two things are arranged, by a
channel of the residual stream that holds the same value for every token: of all tokens only words
and the end of text are ever likely, so that each token is whole text and makes one event; and the
end of text comes after some thirty tokens, so that answers end by themselves or by their limit.
"""

import sys
from pathlib import Path

import gguf
import numpy as np

CONTEXT = 2048
WIDTH = 256
HEADS = 4
FEED_FORWARD = 512
LAYERS = 4
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


def tensors(size: int, first_word: int, seed: int) -> dict[str, np.ndarray]:
    """The weights by name. ``size`` counts tokens, the words among them from ``first_word`` on."""
    chance = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return chance.normal(0, columns**-0.5, (rows, columns)).astype(np.float32)

    ones = np.ones(WIDTH, np.float32)
    embedding = matrix(size, WIDTH) * WIDTH**0.5
    embedding[:, 0] = CONSTANT
    output = matrix(size, WIDTH)
    output[:, 0] = 0
    output[:first_word] = 0
    output[:first_word, 0] = NEVER
    output[END, 0] = END_OF_TEXT / CONSTANT
    weights = {"token_embd": embedding, "output_norm": ones, "output": output}
    for layer in range(LAYERS):
        block = {
            "attn_norm": ones,
            "attn_q": matrix(WIDTH, WIDTH),
            "attn_k": matrix(WIDTH, WIDTH),
            "attn_v": matrix(WIDTH, WIDTH),
            "attn_output": matrix(WIDTH, WIDTH),
            "ffn_norm": ones,
            "ffn_gate": matrix(FEED_FORWARD, WIDTH),
            "ffn_up": matrix(FEED_FORWARD, WIDTH),
            "ffn_down": matrix(WIDTH, FEED_FORWARD),
        }
        # Nothing writes to the first channel, so it stays constant.
        block["attn_output"][0] = 0
        block["ffn_down"][0] = 0
        weights |= {f"blk.{layer}.{name}": value for name, value in block.items()}
    return {f"{name}.weight": value for name, value in weights.items()}


def write(path: Path, seed: int) -> None:
    """Write the model to ``path``."""
    tokens, types = vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random")
    writer.add_vocab_size(len(tokens))
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
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
    for name, value in tensors(len(tokens), tokens.index("▁") + 1, seed).items():
        writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
