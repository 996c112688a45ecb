"""Damaged and hostile inputs of every kind: each is read, or refused in one sentence.

    make test-fuzz                                      the short form, as in CI
    python -m tests.fuzz --inputs 10000 --seed 1        the long form; --kinds NAME ... for some of them

mutations.py   strategies (hypothesis): damaged bytes, texts, JSON trees, PNG chunks, zip archives, tensors
kinds/         one kind of input each: whole examples, mutations, and what our commands do with the file
limits.py      a child process for the inputs; its time and memory are watched from outside
sandbox.py     what an input must not do: write elsewhere, start programs, unpickle foreign names
"""
