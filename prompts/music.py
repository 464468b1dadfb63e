#!/usr/bin/env python3
"""Plays the music of the class `default` into a WAV file of 16 kHz: sixteen bars that go round, written for Telex."""

import pathlib
import sys

import numpy as np

from make import RATE, save

BEAT = 60 / 84
BARS = 16
LENGTH = int(BARS * 4 * BEAT * RATE) // 2 * 2
# Four decibels below speech: music that is louder tires.
LEVEL = 1613 * 0.6

# One chord a bar: the bass, and three notes above it.
CHORDS = [
    (41, 57, 60, 64), (38, 57, 60, 65), (43, 58, 62, 65), (36, 58, 64, 67),
    (41, 57, 60, 64), (45, 55, 60, 64), (46, 57, 62, 65), (48, 58, 64, 67),
    (46, 57, 62, 65), (45, 55, 60, 64), (43, 58, 62, 65), (38, 54, 60, 65),
    (43, 58, 62, 65), (36, 58, 64, 67), (41, 57, 60, 64), (36, 55, 58, 64),
]
# Beats from the start, note, beats.
MELODY = [
    (0, 72, 1.5), (1.5, 76, 0.5), (2, 77, 2), (4, 74, 1.5), (5.5, 72, 0.5), (6, 69, 2),
    (8, 70, 1), (9, 74, 1), (10, 77, 1.5), (11.5, 76, 0.5), (12, 74, 1), (13, 72, 3),
    (16, 72, 1.5), (17.5, 76, 0.5), (18, 81, 2), (20, 79, 1.5), (21.5, 76, 0.5), (22, 72, 2),
    (24, 74, 1), (25, 77, 1), (26, 82, 1.5), (27.5, 81, 0.5), (28, 79, 1), (29, 76, 3),
    (32, 77, 2), (34, 74, 1), (35, 70, 1), (36, 72, 2), (38, 76, 2), (40, 74, 1.5), (41.5, 70, 0.5), (42, 67, 2),
    (44, 69, 1), (45, 72, 1), (46, 78, 2), (48, 77, 1.5), (49.5, 74, 0.5), (50, 70, 2), (52, 76, 1), (53, 74, 1), (54, 72, 2),
    (56, 69, 1.5), (57.5, 72, 0.5), (58, 77, 2), (60, 76, 1), (61, 72, 3),
]


def hertz(note):
    return 440 * 2 ** ((note - 69) / 12)


def bell(note, seconds, loudness):
    """An electric piano: a sine whose phase another one moves, less and less."""
    time = np.arange(int((seconds + 1.6) * RATE)) / RATE
    turn = 2 * np.pi * hertz(note) * time
    moved = 1.1 * np.exp(-time * 5) * np.sin(turn) + 0.15 * np.exp(-time * 14) * np.sin(7 * turn)
    fade = np.minimum(1, time / 0.006) * np.exp(-time * 1.7) * np.clip((seconds + 1.6 - time) / 0.8, 0, 1)
    return loudness * fade * np.sin(turn + moved)


def pad(note, seconds, loudness):
    """Two slow sines beside each other."""
    time = np.arange(int((seconds + 0.6) * RATE)) / RATE
    fade = np.clip(time / 0.5, 0, 1) * np.clip((seconds + 0.6 - time) / 0.6, 0, 1)
    return loudness * fade * sum(np.sin(2 * np.pi * hertz(note) * by * time) for by in (0.9985, 1.0015)) / 2


def main():
    sound = np.zeros(LENGTH)

    def put(beat, piece):
        # What rings on beyond the end is heard at the beginning.
        at = (int(beat * BEAT * RATE) + np.arange(len(piece))) % LENGTH
        np.add.at(sound, at, piece)

    for bar, (bass, *chord) in enumerate(CHORDS):
        put(bar * 4, bell(bass + 12, 2 * BEAT, 0.5))
        put(bar * 4 + 2.5, bell(bass + 12, BEAT, 0.3))
        for note in chord:
            put(bar * 4, pad(note, 4 * BEAT, 0.16))
        for step, note in enumerate([*chord, chord[1]]):
            put(bar * 4 + 0.5 + step, bell(note, BEAT / 2, 0.22))
    for beat, note, beats in MELODY:
        put(beat, bell(note, beats * BEAT * 0.9, 0.55))
    sound *= LEVEL / np.sqrt(np.mean(sound**2))
    save(pathlib.Path(sys.argv[1]), sound)
    print(f"{LENGTH / RATE:.1f} s, peak {np.abs(sound).max():.0f}")


if __name__ == "__main__":
    main()
