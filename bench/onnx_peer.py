"""onnx_peer.py FILE SIZE BATCH STEPS openvino|onnxruntime fp32|bf16|int8: seconds a pass over an ONNX file, as JSON; a peer of bench/index.ts.

For int8 OpenVINO computes the file as it is, with the QuantizeLinear and DequantizeLinear that knack has written; ONNX Runtime quantizes a float file
by its own quantizer first (QDQ, weights per channel, uint8 activations, minimum and maximum of noise).
"""

import os
import sys
import tempfile

import numpy as np

from measured import print_steps

file, size, batch, steps, runtime, precision = sys.argv[1:]
size, batch, steps = int(size), int(batch), int(steps)
threads = len(os.sched_getaffinity(0))
images = np.random.default_rng(0).standard_normal((batch, 3, size, size), dtype=np.float32)


def openvino():
    import openvino as ov

    core = ov.Core()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    settings["INFERENCE_PRECISION_HINT"] = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}[precision]
    model = core.read_model(file)
    model.reshape({model.input(0): [batch, 3, size, size]})
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda: request.infer([images])


def onnxruntime():
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(quantized() if precision == "int8" else file, options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: images})


def quantized():
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folder = tempfile.mkdtemp()
    prepared, result = os.path.join(folder, "prepared.onnx"), os.path.join(folder, "int8.onnx")
    quant_pre_process(file, prepared, skip_symbolic_shape=True)

    class Noise(q.CalibrationDataReader):
        def __init__(self):
            generator = np.random.default_rng(1)
            self.left = [generator.standard_normal((1, 3, size, size), dtype=np.float32) for _ in range(8)]

        def get_next(self):
            import onnx

            name = onnx.load(prepared).graph.input[0].name
            return {name: self.left.pop()} if self.left else None

    formats = {"quant_format": q.QuantFormat.QDQ, "activation_type": q.QuantType.QUInt8, "weight_type": q.QuantType.QInt8}
    q.quantize_static(prepared, result, Noise(), per_channel=True, **formats)
    return result


step = openvino() if runtime == "openvino" else onnxruntime()
print_steps(step, steps)
