#!/usr/bin/env python3
"""gguf_tokenizer.py MODEL.gguf tokenizer.json: takes the tokenizer out of a GGUF file, for gpt2_tensorrt.py --tokenizer.

Byte-level BPE (GPT-2's kind: tokenizer.ggml.model is "gpt2"), with digits apart where the file says smollm. Needs the packages gguf and tokenizers.
"""
import argparse

CONTROL = 3  # the kind of token that is no text, such as <|im_start|>


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out")
    args = parser.parse_args()
    import gguf
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    told = {name: field.contents() for name, field in gguf.GGUFReader(args.model).fields.items() if name.startswith("tokenizer.ggml.")}
    kind = told.get("tokenizer.ggml.model")
    if kind != "gpt2":
        raise SystemExit(f"{args.model} has a tokenizer of kind {kind}; only byte-level BPE (gpt2) is known here")
    tokens, kinds = told["tokenizer.ggml.tokens"], told["tokenizer.ggml.token_type"]
    merges = [tuple(line.split(" ")) for line in told["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    parts = [pre_tokenizers.Digits(individual_digits=True)] if told.get("tokenizer.ggml.pre") in ("smollm", "starcoder", "refact", "command-r") else []
    made.pre_tokenizer = pre_tokenizers.Sequence(parts + [pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, special=True) for token, k in zip(tokens, kinds) if k == CONTROL])
    made.save(args.out)
    print(f"{args.out}: {len(tokens)} tokens, {len(merges)} merges")


if __name__ == "__main__":
    main()
