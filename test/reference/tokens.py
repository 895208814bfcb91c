"""Writes test/reference/tokens.jsonl: texts, and the ids that the published tokenizers give for them.

CLIP: Hugging Face's CLIPTokenizer with the merges of openai/clip-vit-large-patch14. T5: sentencepiece with T5's model, rebuilt from its
tokenizer.json; between the names of special tokens, which Hugging Face's tokenizer takes for these tokens. Both vocabularies are read from
engine/source (npm run build:native brings it).

    pip install transformers sentencepiece protobuf
    python test/reference/tokens.py                            # the corpus
    python test/reference/tokens.py --random 100000 --seed 1   # random texts, to stdout
    python test/reference/tokens.py --others                   # how other tokenizers of the same models differ
"""
import argparse
import base64
import json
import os
import random
import re
import sys
import tempfile
import unicodedata

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from transformers import CLIPTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
VOCABULARIES = os.path.join(HERE, "..", "..", "engine", "source", "src", "tokenizers", "vocab")
SPECIAL = re.compile(r"(<pad>|</s>|<unk>|<extra_id_(?:[1-9]?[0-9])>)")


def embedded(name):
    """The bytes of the one array in a header."""
    with open(os.path.join(VOCABULARIES, name)) as header:
        text = header.read()
    numbers = text[text.index("{") + 1 : text.rindex("}")]
    return bytes(int(number, 0) for number in numbers.replace("\n", "").split(",") if number.strip())


def byte_letters():
    """The letters that stand for bytes in byte-level vocabularies, in the vocabulary's order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(others))]


def clip_tokenizer():
    merges = [line for line in embedded("clip_merges.hpp").decode().split("\n")[1:] if line]
    letters = byte_letters()
    vocabulary = letters + [letter + "</w>" for letter in letters] + ["".join(merge.split()) for merge in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    mark = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    with tempfile.TemporaryDirectory() as folder:

        def write(name, value):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(value)

        write("vocab.json", json.dumps({token: i for i, token in enumerate(vocabulary)}))
        write("merges.txt", "\n".join(["#version: 0.2", *merges, ""]))
        begin, end = ({**mark, "content": content} for content in vocabulary[-2:])
        config = {"bos_token": begin, "eos_token": end, "unk_token": end, "pad_token": end["content"], "do_lower_case": True}
        write("tokenizer_config.json", json.dumps({**config, "tokenizer_class": "CLIPTokenizer"}))
        return CLIPTokenizer.from_pretrained(folder)


def t5_vocabulary():
    """Pieces with scores, and the table of nmt-NFKC."""
    data = json.loads(embedded("t5.hpp"))
    return data["model"]["vocab"], base64.b64decode(data["normalizer"]["normalizers"][0]["precompiled_charsmap"])


def t5_tokenizer():
    pieces, charsmap = t5_vocabulary()
    model = sentencepiece_model_pb2.ModelProto()
    types = {0: 3, 1: 3, 2: 2}  # control, control, unknown; all others normal
    for i, (piece, score) in enumerate(pieces[:32000]):
        model.pieces.add(piece=piece, score=score, type=types.get(i, 1))
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type, trainer.vocab_size = 1, 32000
    trainer.pad_id, trainer.eos_id, trainer.unk_id, trainer.bos_id = 0, 1, 2, -1
    trainer.pad_piece, trainer.eos_piece, trainer.unk_piece = "<pad>", "</s>", "<unk>"
    normalizer.name, normalizer.precompiled_charsmap = "nmt_nfkc", charsmap
    normalizer.add_dummy_prefix = normalizer.remove_extra_whitespaces = normalizer.escape_whitespaces = True
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())


class Reference:
    def __init__(self):
        self.clip_tokenizer, self.t5_tokenizer = clip_tokenizer(), t5_tokenizer()
        self.special = {"<pad>": 0, "</s>": 1, "<unk>": 2, **{f"<extra_id_{i}>": 32099 - i for i in range(100)}}

    def clip(self, text):
        return self.clip_tokenizer(text, add_special_tokens=False)["input_ids"]

    def t5(self, text):
        ids = []
        for part in SPECIAL.split(text):
            ids += [self.special[part]] if part in self.special else self.t5_tokenizer.encode(part)
        return ids


def languages():
    with open(os.path.join(HERE, "languages.tsv"), encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t")[1] for line in file]


# Of kinds that no language has.
HAND_WRITTEN = [
    "", " ", "   ", "\t\n", "a", "A", "red", " red", "red ", "  two  spaces  ", "one\ntwo\nthree lines", "a\r\nb\rc", "tab\tseparated\tvalues",
    "a\u00a0b\u2003c\u3000d", "zero\u200bwidth\u200cnon\u200djoiner\u2060word\ufeffjoiner", "line\u2028separator\u2029paragraph", "next\u0085line",
    "\u00a0leading and trailing\u3000", "\u1680ogham\u180emongolian\u205fmath", "soft\u00adhyphen", "a\u0001b\u0007c\u001bd\u001ce\u001f\u007ff\u0080g\u009fh",
    "\x1b[31mred\x1b[0m", "\u202eright to left\u202c \u2066isolate\u2069", "\ufeffa byte order mark", "\ufffd \ufffe \uffff \U0010ffff",
    "don't DON'T don’t don‘t don`t donʼt", "'s 't 're 've 'm 'll 'd 'S 'LL ''s '''", "rock'n'roll 'tis O'Brien's", "I'LL we'RE you'VE",
    "“double” ‘single’ „low“ «angle» ‹one› 「corner」 『two』 ″prime″ `back`", "—em–en‒figure―bar‐hyphen-minus−", "…ellipsis... ‥ ⋯", "•·∙◦‣⁃",
    "10 100 1000 1,000.50 3.14159 1e-10 0xFF 2024-01-31 12:34:56", "½ ⅓ ¼ ¾ ⅚ ² ³ ⁴ ₅ ① ② ⑽ Ⅷ ⅷ ㊿ 〹 ൭ ༳", "１２３ ＡＢＣ ａｂｃ ！？＃", "٠١٢٣ ۴۵۶ ०१२ ๐๑๒ 〇一二",
    "8k, 4K, f/1.8, 85mm, ISO 100, 1/250s, 16:9, 50%, $5, €10, £3, ¥100, ₹7, ₿", "#FF00AA rgb(255, 0, 170) hsl(320deg 100% 50%)", "C++ C# F# .NET node.js a.b.c",
    "def f(x): return x**2  # square", "for (int i = 0; i < n; ++i) { a[i] += b->c; }", "SELECT * FROM t WHERE a='b' AND c<>\"d\";", "{\"a\": [1, 2.5, null], \"b\": \"\\u00e9\"}",
    "<html><body class=\"x\">&lt;b&gt;&amp;nbsp;&quot;</body></html>", "&amp; &lt;tag&gt; &nbsp; &eacute; &#233; &#xE9; &copy;", "caf&eacute; &amp;amp; th&eacute;",
    "https://example.com/a/b?c=d&e=f#g user@example.org", "C:\\Users\\José\\画.png ../../etc/passwd", "$(rm -rf /); `id` %s%n %x", "\\ \\\\ / | ~ ^ _ * + = @",
    "(red:1.3) [blue] {a|b} ((x)) \\(y\\)", "a:b :c d: :::", "!!! ??? ... ,,, ;;; ---", "!?!?#@$%^&*()_+-=[]{}|;':\",./<>?", "a,b;c.d!e?f", "<lora-x> <|x|> <x>",
    "<|endoftext|>", "<|startoftext|>", "a<|endoftext|>b <|ENDOFTEXT|>! !<|EndOfText|> <|STARTOFTEXT|>x <|StartOfText|>", "<|endoftext|", "<|end of text|>", "<<|endoftext|>>",
    "</s>", "a</s>b", "<pad> <unk> </S>", "<extra_id_0> x <extra_id_99><extra_id_100> <extra_id_01> <extra_id_7", "<extra_id_> <extra_id_-1> < /s>", "<s> <mask> [CLS] [PAD]",
    "İ I ı i İstanbul DİYARBAKIR ıI", "ẞ ß SS ﬀ ﬁ ﬂ ﬃ ﬄ ﬅ ﬆ", "Σ σ ς ΟΔΟΣ ΟΔΟΣ. ΣΑΣ", "ǅ ǈ ǋ ǲ Ǳ ǳ ĳ Ĳ ŉ", "K (kelvin) Å (angstrom) Ω (ohm) ℡ ™ ℠ № ℃ ℉", "ſ long s, ſt, 'ſ",
    "Ⓐ Ⓑ ⓒ ㋿ ㍿ ㎏ ㎡ ㏄ ㌔", "ﾊﾝｶｸ ｶﾞｷﾞ ﾊﾟ ㍻ ㌀", "가각갂 \u1100\u1161\u11a8 ㄱㄴ ㅏ \u3131", "e\u0301 e\u0300\u0323 \u0323\u0300e a\u0308\u0304 A\u030a n\u0303 c\u0327 o\u0302\u0301", "q\u0307\u0323 q\u0323\u0307 q\u0323\u0323",
    "\u0301", "\u0301\u0301\u0301a", "Z͑ͫ̓̏̄a̴͓̦l̵͎̐g̷̨̈́o̶͇͝", "e" + "\u0301" * 30, "\u0958\u0959 \u09dc \u0a33 \u0b5c \u0f43 \u2adc \ufb2e \U0001d15e", "\u1e9b\u0323 \u2126 \u212b \uf900 \uf9d0 \U0002f800",
    "☀ ☀️ ☁ ★ ☆ ♥ ♥️ ♪ ✓ ✗ → ⇒ ↔ ∑ √ ∞ ≠ ≤ ≥ ± × ÷ °", "😀😃😄 🦊 🌊🏠⚡", "👩‍👩‍👧‍👦 👨🏽‍🚀 🏳️‍🌈 🏴‍☠️ ❤️‍🔥", "🇫🇷🇩🇪🇯🇵 🏴󠁧󠁢󠁳󠁣󠁴󠁿", "1️⃣ #️⃣ *️⃣ 🔟", "👍🏻👍🏼👍🏽👍🏾👍🏿", "a🦊b 🦊1🦊 foo🦊,bar",
    "a fox 🦊 in the snow ❄️, 日本語 and русский, ½ cup", "日本語english混在テキストmixed", "ไทยกับ English และ 123", "русскийenglish中文", "x" * 300, "ab" * 200, "日" * 60, "🦊" * 40, "(" * 30, "1" * 30, "a " * 60,
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis", "masterpiece, best quality, ultra-detailed, 8k uhd, dslr, soft lighting, film grain, Fujifilm XT3",
    "portrait of a woman, by Greg Rutkowski and Alphonse Mucha, trending on ArtStation", "translate English to German: The house is wonderful.", "\u2581", "a\u2581b \u2581 c\u2581", "\u2581\u2581x",
    "‴ lll 'lllb & x‴",
    "\ue000\uf8ff\U000f0000", "\U0001f9d1\u200d\U0001f4bb", "ⁿ ª º ᵃᵇᶜ ₙ ᴬ", "ʰello ˈwɝːld ˌfəˈnɛtɪk", "\ua7fe\ua7ff \u2c7c \u2c7d", "\u0149 \u0340 \u0341 \u0343 \u0344 \u0374 \u037e \u0387", "·\u0387·", "\u00a8 \u00af \u00b4 \u00b8",
]

# Where random texts draw from: what people write, what tokenizers trip over, and everything.
POOLS = [
    [*map(chr, range(0x20, 0x7F))],
    [*" \t\n\r\u000b\u000c\u001c\u001f\u0085\u00a0\u1680\u180e\u2000\u2003\u2009\u200a\u200b\u200c\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"],
    [*map(chr, range(0xA0, 0x250))],
    [*map(chr, range(0x250, 0x370)), *map(chr, range(0x1AB0, 0x1B00)), *map(chr, range(0x1DC0, 0x1E00)), *map(chr, range(0x20D0, 0x20F1))],
    [*map(chr, range(0x370, 0x600))],
    [*map(chr, range(0x590, 0x800)), *map(chr, range(0x8A0, 0x900))],
    [*map(chr, range(0x900, 0x1000))],
    [*map(chr, range(0x1000, 0x1100)), *map(chr, range(0x1200, 0x1AB0))],
    [*map(chr, range(0x1100, 0x1200)), *map(chr, range(0xAC00, 0xB000))],
    [*map(chr, range(0x1C80, 0x2000))],
    [*map(chr, range(0x2000, 0x2C00))],
    [*map(chr, range(0x3000, 0x4000)), *map(chr, range(0x4E00, 0x5200)), *map(chr, range(0xF900, 0xFB00))],
    [*map(chr, range(0xFB00, 0x10000))],
    [*map(chr, range(0x10000, 0x12000)), *map(chr, range(0x1D000, 0x1D800))],
    [*map(chr, range(0x1F000, 0x1FA00)), "\u200d", "\ufe0f", "\U0001f3fb", "\U0001f3ff"],
    [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000],
    ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'", "’"],
    ["<|startoftext|>", "<|endoftext|>", "<|STARTOFTEXT|>", "<|EndOfText|>", "</s>", "<pad>", "<unk>", "<extra_id_42>", "<", "|", ">", "\u0338"],
    ["the", " red", " FOX", " in", " snow", "painting", " of", " a", ",", " 8k", "Ünïcödé", " naïve", " straße", " Ελλάδα", " привет", " 日本", " café"],
]


def random_text(source):
    pools = source.choices(POOLS, k=source.randint(1, 3))
    length = source.choice([1, 2, 3, 5, 8, 13, 21, 40])
    return "".join(source.choice(source.choice(pools)) for _ in range(length))


def corpus():
    sentences = languages()
    texts = sentences + [unicodedata.normalize("NFD", text).upper() for text in sentences] + HAND_WRITTEN
    source = random.Random(16)
    texts += [random_text(source) for _ in range(200)]
    # BREAK and NUL have a meaning of their own, or none.
    return [text for text in dict.fromkeys(texts) if "BREAK" not in text and "\0" not in text]


def write(texts, file):
    reference = Reference()
    for text in texts:
        row = {"text": text, "clip": reference.clip(text), "t5": reference.t5(text)}
        file.write(json.dumps(row, separators=(",", ":")) + "\n")


def compare_others():
    """In how many texts of the corpus other tokenizers of the same models differ."""
    import ftfy
    import html
    import regex
    from transformers import T5Tokenizer

    reference, texts = Reference(), corpus()
    pieces, charsmap = t5_vocabulary()
    fast = T5Tokenizer(vocab=[tuple(piece) for piece in pieces], _spm_precompiled_charsmap=charsmap)
    rows = [(text, reference.t5(text), fast(text, add_special_tokens=False)["input_ids"]) for text in texts]
    different = [text for text, ours, theirs in rows if ours != theirs]
    print(f"T5Tokenizer of transformers: {len(different)} of {len(texts)}: {different[:12]}")

    def openai(text):  # CLIP's own simple_tokenizer.py cleans the text by ftfy, and takes entities twice
        return regex.sub(r"\s+", " ", html.unescape(html.unescape(ftfy.fix_text(text)))).strip().lower()

    different = [text for text in texts if reference.clip(text) != reference.clip(openai(text))]
    print(f"OpenAI's tokenizer, with ftfy: {len(different)} of {len(texts)}: {different[:40]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--random", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--others", action="store_true")
    options = parser.parse_args()
    if options.others:
        compare_others()
    elif options.random:
        source = random.Random(options.seed)
        write((random_text(source) for _ in range(options.random)), sys.stdout)
    else:
        with open(os.path.join(HERE, "tokens.jsonl"), "w", encoding="utf-8") as file:
            write(corpus(), file)


if __name__ == "__main__":
    main()
