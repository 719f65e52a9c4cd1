#!/usr/bin/env python3
"""gguf_tokenizer.py MODEL.gguf tokenizer.json: takes the tokenizer out of a GGUF file, for gpt2_tensorrt.py --tokenizer.

Byte-level BPE (GPT-2's kind: tokenizer.ggml.model is "gpt2"), with digits apart where the file says smollm. Needs the package tokenizers.
"""
import argparse
import struct

CONTROL = 3  # the kind of token that is no text, such as <|im_start|>
STRING, ARRAY = 8, 9
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}  # format letters by the type's number


class Reader:
    """Metadata of a GGUF file: a list of names, types and values."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, letter):
        (value,) = struct.unpack_from("<" + letter, self.data, self.at)
        self.at += struct.calcsize("<" + letter)
        return value

    def text(self):
        size = self.number("Q")
        self.at += size
        return self.data[self.at - size : self.at].decode("utf-8", "replace")

    def value(self, kind):
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            kind, count = self.number("I"), self.number("Q")
            return [self.value(kind) for _ in range(count)]
        return self.number(NUMBERS[kind])

    def metadata(self):
        if self.data[:4] != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        self.at = 4
        version, _, count = self.number("I"), self.number("Q"), self.number("Q")
        if version not in (2, 3):
            raise ValueError(f"its version is {version}; 2 and 3 are known")
        return {self.text(): self.value(self.number("I")) for _ in range(count)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out")
    args = parser.parse_args()
    try:
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    except ImportError as missing:
        raise SystemExit(f"gguf_tokenizer.py: {missing}; pip install tokenizers") from None
    with open(args.model, "rb") as file:
        head = file.read(64 << 20)  # the metadata comes first
    try:
        told = Reader(head).metadata()
    except (ValueError, KeyError, struct.error) as error:
        raise SystemExit(f"{args.model} is no GGUF file that can be read: {error}") from None
    kind = told.get("tokenizer.ggml.model")
    if kind != "gpt2":
        raise SystemExit(f"{args.model} has a tokenizer of kind {kind}; only byte-level BPE (gpt2) is known here")
    tokens, kinds = told["tokenizer.ggml.tokens"], told["tokenizer.ggml.token_type"]
    merges = [tuple(line.split(" ")) for line in told["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    parts = [pre_tokenizers.Digits(individual_digits=True)] if told.get("tokenizer.ggml.pre") == "smollm" else []
    made.pre_tokenizer = pre_tokenizers.Sequence(parts + [pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, special=True) for token, k in zip(tokens, kinds) if k == CONTROL])
    made.save(args.out)
    print(f"{args.out}: {len(tokens)} tokens, {len(merges)} merges")


if __name__ == "__main__":
    try:
        main()
    except OSError as why:  # a file that is not there, …
        raise SystemExit(f"{why.filename}: {why.strerror}" if why.filename else str(why)) from None
