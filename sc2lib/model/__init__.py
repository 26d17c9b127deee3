"""The model: one configuration, one single-device transformer, its attention and its generation.

    config, presets                          the shape of a model, and the paper's three
    transformer, attention, loss             from tokens to logits and the loss: a training step needs no more
    huggingface, gguf                        weights on disk, for us and for others
    cache, generation, decoding, sampling    from prompts to new tokens
    infilling, stop_strings                  from texts to texts

What looks at the model: `parity` (against transformers), `counting` and `memory` (its formulas against what is
measured), `attention_cost`, `online_softmax`, `wavelengths`, `disagreements` (of the sources), `pictures`.
"""
