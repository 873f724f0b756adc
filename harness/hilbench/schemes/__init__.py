"""Making models: a numpy trainer, and how float models become smaller ones.

Training a model, in full::

    from hilbench.schemes.threads import one_blas_thread
    one_blas_thread()  # before numpy is imported: the same bytes again

    from hilbench.models import writer
    from hilbench.schemes import export, layers, post_training, training
    from hilbench.schemes.augmentation import shifted
    from hilbench.schemes.network import Network

    network = Network(
        "mnist",
        (28, 28, 1),  # (H, W, C); a time series of T samples and C channels is (T, 1, C)
        (
            layers.Conv2D(16, (3, 3), (2, 2)),  # filters, size, stride; SAME and ReLU by default
            layers.Depthwise((3, 3)),
            layers.pointwise(32),
            layers.AveragePool(),  # over the whole image; AveragePool((2, 2)), MaxPool((2, 2))
            layers.Dense(10),  # flattens its input; ReLU with activation=True
        ),
    )
    recipe = training.Recipe(epochs=30, batch=64, peak_rate=4e-3, seed=1, augment=shifted(2, 2))
    fitted = training.fit(
        network, network.initial(seed=1), training.Data(values, labels), validation, recipe
    )
    graph = export.float_graph(network, fitted.params, softmax=True)
    content = writer.write(graph)  # the bytes of a .tflite with a signature
    int8 = post_training.quantize(graph, values[:300])

``fit`` keeps the epoch with the lowest loss on the validation part.  An autoencoder takes
``objective=objectives.reconstruction`` (labels are not read) and dense layers.  ``values`` are
float32 of shape (n, *input shape), ``labels`` int64 of shape (n,).

======================  ==========================================================================
module                  what
======================  ==========================================================================
``layers``              frozen descriptions: Conv2D, pointwise, Depthwise, Dense, pools, Flatten
``network``             Network: shapes, parameters, forward, backward, predict
``objectives``          cross_entropy, reconstruction, Distillation
``training``            Data, Recipe, fit, Adam
``augmentation``        shifted, scaled, noisy, chained
``export``              float graph
``post_training``       int8 or int4 weights, int8 activations, by calibration
``aware``               the same, trained through the device's integer arithmetic
``pruning``             by magnitude: single weights, or channels
``designs``             teachers and students of ``hilbench compress``
``compression``         its stages: distil, prune, quantize, code
``threads``             one BLAS thread
======================  ==========================================================================
"""
