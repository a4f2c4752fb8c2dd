# SPDX-License-Identifier: MIT
"""For record.sh: counts the words of a text, sorts them, makes a graph of which
word follows which, and walks through it."""
import collections
import random

WORDS = 4000
LENGTH = 6000

rng = random.Random(1)


def make_text():
    """Some words are far more frequent than others (Zipf's distribution)."""
    return ' '.join(('%06d' % int(WORDS ** rng.random())) * 20
                    for _ in range(LENGTH))


def count(text):
    counts = {}
    for word in text.split():
        counts[word] = counts.get(word, 0) + 1
    return counts


def make_graph(text):
    graph = collections.defaultdict(set)
    words = text.split()
    for word, following in zip(words, words[1:]):
        graph[word].add(following)
    return graph


def walk(graph, start):
    """How far each word is from the first."""
    distance = {start: 0}
    queue = collections.deque([start])
    while queue:
        word = queue.popleft()
        for following in graph[word]:
            if following not in distance:
                distance[following] = distance[word] + 1
                queue.append(following)
    return distance


def main():
    text = make_text()
    counts = count(text)
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    graph = make_graph(text)
    distance = walk(graph, order[-1][0])
    print(len(counts), order[0], max(distance.values()))


main()
