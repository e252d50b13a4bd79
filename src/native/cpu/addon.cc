// The Node-API door of the fast engine: TypeScript describes a network, and runs it.
#include <napi.h>

#include <cstring>
#include <set>

#include "program.h"

namespace knack::fast {

namespace {

// Everything JavaScript gave memory for stays referenced as long as the program may touch it.
struct Compiled {
  std::unique_ptr<Program> program;
  std::vector<Napi::Reference<Napi::TypedArray>> kept;
};

template <typename Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const Unsupported& error) {
    throw Napi::Error::New(env, std::string("unsupported: ") + error.what());
  } catch (const dnnl::error& error) {
    throw Napi::Error::New(env, std::string("oneDNN: ") + error.what());
  } catch (const std::exception& error) {
    throw Napi::Error::New(env, error.what());
  }
}

// Reads one operation's description.
class Reader {
 public:
  Reader(Compiled& compiled, const Napi::Object& object) : compiled_(compiled), object_(object) {}

  bool has(const char* key) const {
    const Napi::Value value = object_.Get(key);
    return !value.IsUndefined() && !value.IsNull();
  }

  std::string text(const char* key) const {
    const Napi::Value value = object_.Get(key);
    if (!value.IsString()) wrong(key, "a string");
    return value.As<Napi::String>().Utf8Value();
  }

  double number(const char* key) const {
    const Napi::Value value = object_.Get(key);
    if (!value.IsNumber()) wrong(key, "a number");
    return value.As<Napi::Number>().DoubleValue();
  }

  bool flag(const char* key) const {
    const Napi::Value value = object_.Get(key);
    if (!value.IsBoolean()) wrong(key, "a boolean");
    return value.As<Napi::Boolean>().Value();
  }

  std::vector<int64_t> integers(const char* key, size_t count = 0) const {
    const Napi::Value value = object_.Get(key);
    if (!value.IsArray()) wrong(key, "an array of integers");
    const Napi::Array array = value.As<Napi::Array>();
    if (count != 0 && array.Length() != count) wrong(key, "an array of another length");
    std::vector<int64_t> numbers;
    for (uint32_t i = 0; i < array.Length(); ++i) {
      const Napi::Value element = array.Get(i);
      if (!element.IsNumber()) wrong(key, "an array of integers");
      numbers.push_back(element.As<Napi::Number>().Int64Value());
    }
    return numbers;
  }

  Value& value(const char* key) const {
    const double index = number(key);
    if (!(index >= 0)) wrong(key, "the number of a value");
    return compiled_.program->value(static_cast<size_t>(index));
  }

  // A Float32Array over shared memory, which cannot be detached, of just so many elements.
  float* floats(const char* key, size_t count) const {
    const Napi::Value value = object_.Get(key);
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
      wrong(key, "a Float32Array");
    }
    const Napi::Float32Array array = value.As<Napi::Float32Array>();
    if (array.ElementLength() != count) {
      throw std::invalid_argument(std::string(key) + ": " + std::to_string(array.ElementLength()) + " numbers, not " +
                                  std::to_string(count));
    }
    compiled_.kept.push_back(Napi::Reference<Napi::TypedArray>::New(array, 1));
    return const_cast<float*>(array.Data());
  }

  Parameter parameter(const char* key, const char* gradientKey, size_t count) const {
    Parameter parameter;
    parameter.data = floats(key, count);
    if (has(gradientKey)) parameter.gradient = floats(gradientKey, count);
    return parameter;
  }

  Reader within(const char* key) const { return Reader(compiled_, object_.Get(key).As<Napi::Object>()); }

  NormParameters norm(size_t channels) const {
    NormParameters norm;
    norm.gamma = parameter("gamma", "gammaGradient", channels);
    norm.beta = parameter("beta", "betaGradient", channels);
    norm.runningMean = floats("runningMean", channels);
    norm.runningVariance = floats("runningVariance", channels);
    norm.eps = static_cast<float>(number("eps"));
    norm.momentum = static_cast<float>(number("momentum"));
    norm.batchStatistics = flag("batchStatistics");
    return norm;
  }

  Geometry geometry() const {
    const auto kernel = integers("kernel", 2), stride = integers("stride", 2), padding = integers("padding", 4);
    for (const int64_t size : {kernel[0], kernel[1], stride[0], stride[1]}) {
      if (size < 1 || size > 4096) throw std::invalid_argument("a window's size and stride are 1 or more");
    }
    Geometry g;
    g.kernel = {kernel[0], kernel[1]};
    g.stride = {stride[0], stride[1]};
    g.before = {padding[0], padding[1]};
    g.after = {padding[2], padding[3]};
    return g;
  }

  Clamp clamp() const {
    Clamp clamp = {-INFINITY, INFINITY, {-INFINITY, INFINITY}};
    if (!has("clamp")) return clamp;
    const Reader inner = within("clamp");
    clamp.low = static_cast<float>(inner.number("low"));
    clamp.high = static_cast<float>(inner.number("high"));
    // At the borders relu stops the gradient and clamp lets it through, as in libtorch.
    const bool through = inner.flag("gradientAtBorders");
    clamp.window.low = through ? std::nextafterf(clamp.low, -INFINITY) : clamp.low;
    clamp.window.high = through ? std::nextafterf(clamp.high, INFINITY) : clamp.high;
    return clamp;
  }

 private:
  [[noreturn]] static void wrong(const char* key, const char* expected) {
    throw std::invalid_argument(std::string(key) + ": expected " + expected);
  }

  Compiled& compiled_;
  Napi::Object object_;
};

void requireShape(const Value& value, int64_t c, int64_t h, int64_t w) {
  if (value.c == c && value.h == h && value.w == w) return;
  throw std::invalid_argument("an operation's result has another shape than was said");
}

int64_t windows(int64_t size, const Geometry& g, int axis) {
  return (size + g.before[axis] + g.after[axis] - g.kernel[axis]) / g.stride[axis] + 1;
}

Algorithm algorithmOf(int64_t number) { return number == 1 ? Algorithm::Winograd : Algorithm::Direct; }

std::unique_ptr<Operation> makeOperation(const Reader& read, Program& program, std::vector<Value*>& read_) {
  const std::string kind = read.text("kind");
  const auto input = [&](const char* key) -> Value& {
    Value& value = read.value(key);
    read_.push_back(&value);
    return value;
  };
  if (kind == "input") {
    Value& output = read.value("output");
    return makeInput(program, output, read.floats("pixels", output.n * output.c * output.h * output.w));
  }
  if (kind == "output") {
    Value& value = input("input");
    const size_t count = value.n * value.c;
    const float* gradient = program.settings.training ? read.floats("gradient", count) : nullptr;
    return makeOutput(program, value, read.floats("result", count), gradient);
  }
  if (kind == "convolution") {
    Value& value = input("input");
    Value& output = read.value("output");
    ConvolutionOptions options;
    options.geometry = read.geometry();
    options.geometry.groups = static_cast<int64_t>(read.number("groups"));
    const Geometry& g = options.geometry;
    if (g.groups < 1 || value.c % g.groups != 0 || output.c % g.groups != 0) {
      throw std::invalid_argument("groups do not divide the channels");
    }
    requireShape(output, output.c, windows(value.h, g, 0), windows(value.w, g, 1));
    const auto algorithms = read.integers("algorithms", 3);
    for (int i = 0; i < 3; ++i) options.algorithms[i] = algorithmOf(algorithms[i]);
    options.weight =
        read.parameter("weight", "weightGradient", output.c * value.c / g.groups * g.kernel[0] * g.kernel[1]);
    if (read.has("bias")) options.bias = read.parameter("bias", "biasGradient", output.c);
    if (read.has("residual")) options.residual = &input("residual");
    options.clamp = read.clamp();
    return makeConvolution(program, value, output, options);
  }
  if (kind == "batchNorm") {
    Value& value = input("input");
    Value& output = read.value("output");
    requireShape(output, value.c, value.h, value.w);
    BatchNormOptions options;
    options.norm = read.norm(value.c);
    if (read.has("residual")) options.residual = &input("residual");
    if (read.has("residualNorm")) {
      if (!options.residual || !program.settings.training) throw std::invalid_argument("residualNorm: in training, of a residual");
      options.residualNorm = read.within("residualNorm").norm(value.c);
    }
    options.clamp = read.clamp();
    return makeBatchNorm(program, value, output, options);
  }
  if (kind == "maxPool" || kind == "averagePool") {
    Value& value = input("input");
    Value& output = read.value("output");
    PoolingOptions options;
    options.geometry = read.geometry();
    requireShape(output, value.c, windows(value.h, options.geometry, 0), windows(value.w, options.geometry, 1));
    options.algorithm = kind == "maxPool"                  ? dnnl::algorithm::pooling_max
                        : read.flag("countPadding")        ? dnnl::algorithm::pooling_avg_include_padding
                                                           : dnnl::algorithm::pooling_avg_exclude_padding;
    return makePooling(program, value, output, options);
  }
  if (kind == "globalAverage") {
    Value& value = input("input");
    Value& output = read.value("output");
    requireShape(output, value.c, 1, 1);
    return makeGlobalAverage(program, value, output);
  }
  if (kind == "linear") {
    Value& value = input("input");
    Value& output = read.value("output");
    const Parameter weight = read.parameter("weight", "weightGradient", output.c * value.c);
    const Parameter bias = read.has("bias") ? read.parameter("bias", "biasGradient", output.c) : Parameter{};
    return makeLinear(program, value, output, weight, bias);
  }
  if (kind == "concatenation") {
    std::vector<Value*> inputs;
    Value& output = read.value("output");
    int64_t channels = 0;
    for (const int64_t index : read.integers("inputs")) {
      if (channels % kBlock != 0) throw std::invalid_argument("concatenation: an input does not fill its last block");
      inputs.push_back(&program.value(static_cast<size_t>(index)));
      read_.push_back(inputs.back());
      requireShape(*inputs.back(), inputs.back()->c, output.h, output.w);
      channels += inputs.back()->c;
    }
    requireShape(output, channels, output.h, output.w);
    return makeConcatenation(program, inputs, output);
  }
  if (kind == "channelPadding") {
    Value& value = input("input");
    Value& output = read.value("output");
    const int64_t before = static_cast<int64_t>(read.number("before"));
    if (before < 0 || value.c + before > output.c) throw std::invalid_argument("channelPadding: too few channels");
    requireShape(output, output.c, value.h, value.w);
    return makeChannelPadding(program, value, output, before);
  }
  if (kind == "addition") {
    Value& a = input("input");
    Value* b = read.has("other") ? &input("other") : nullptr;
    Value& output = read.value("output");
    requireShape(output, a.c, a.h, a.w);
    if (b) requireShape(*b, a.c, a.h, a.w);
    return makeAddition(program, a, b, output, read.clamp());
  }
  if (kind == "mask") {
    Value& value = input("input");
    Value& output = read.value("output");
    return makeMask(program, value, output, read.floats("mask", value.n * value.c));
  }
  throw std::invalid_argument("there is no operation " + kind);
}

Compiled& compiledOf(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) throw std::invalid_argument("not a compiled network");
  auto* compiled = info[0].As<Napi::External<Compiled>>().Data();
  if (!compiled->program) throw std::invalid_argument("the compiled network was disposed");
  return *compiled;
}

// compile({ bfloat16, training, values: [{ shape, kind }], operations })
Napi::Value compile(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object description = info[0].As<Napi::Object>();
    auto compiled = std::make_unique<Compiled>();
    const Reader whole(*compiled, description);
    compiled->program = std::make_unique<Program>(Settings{whole.flag("bfloat16"), whole.flag("training")});
    Program& program = *compiled->program;
    const Napi::Array values = description.Get("values").As<Napi::Array>();
    for (uint32_t i = 0; i < values.Length(); ++i) {
      const Reader read(*compiled, values.Get(i).As<Napi::Object>());
      const auto shape = read.integers("shape");
      for (const int64_t size : shape) {
        if (size < 1) throw std::invalid_argument("a shape's sizes are 1 or more");
      }
      const std::string kind = read.text("kind");
      if (shape.size() == 4) program.addImages(shape[0], shape[1], shape[2], shape[3], kind == "input");
      else if (shape.size() == 2) program.addVectors(shape[0], shape[1], kind == "output");
      else throw std::invalid_argument("a value has two or four dimensions");
    }
    const Napi::Array operations = description.Get("operations").As<Napi::Array>();
    for (uint32_t i = 0; i < operations.Length(); ++i) {
      const Reader read(*compiled, operations.Get(i).As<Napi::Object>());
      std::vector<Value*> values;
      try {
        program.add(makeOperation(read, program, values));
      } catch (const dnnl::error& error) {
        throw Unsupported(read.text("kind") + " of these sizes (" + error.what() + ")");
      }
      for (Value* value : values) value->lastRead = static_cast<int>(i);
    }
    program.finish();
    return Napi::External<Compiled>::New(info.Env(), compiled.release(), [](Napi::Env, Compiled* data) { delete data; });
  });
}

Napi::Value loadParameters(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    compiledOf(info).program->loadParameters();
    return info.Env().Undefined();
  });
}

// wantLargePages(floats)
Napi::Value wantLargePagesUnder(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsTypedArray()) throw std::invalid_argument("wantLargePages: expected a Float32Array");
    auto floats = info[0].As<Napi::Float32Array>();
    wantLargePages(floats.Data(), floats.ByteLength());
    return info.Env().Undefined();
  });
}

// forward(network, timed)
Napi::Value forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    compiledOf(info).program->forward(info[1].As<Napi::Boolean>().Value());
    return info.Env().Undefined();
  });
}

// backward(network, accumulate, timed)
Napi::Value backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    compiledOf(info).program->backward(info[1].As<Napi::Boolean>().Value(), info[2].As<Napi::Boolean>().Value());
    return info.Env().Undefined();
  });
}

// The operations in order: { kind, forwardSeconds, backwardSeconds } of the timed passes together.
Napi::Value times(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto& operations = compiledOf(info).program->operations();
    Napi::Array result = Napi::Array::New(info.Env(), operations.size());
    for (size_t i = 0; i < operations.size(); ++i) {
      Napi::Object row = Napi::Object::New(info.Env());
      row.Set("kind", operations[i]->kind());
      row.Set("forwardSeconds", operations[i]->forwardSeconds);
      row.Set("backwardSeconds", operations[i]->backwardSeconds);
      result.Set(static_cast<uint32_t>(i), row);
    }
    return result;
  });
}

// Frees a network's memory now; harmless to repeat.
Napi::Value dispose(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsExternal()) throw std::invalid_argument("not a compiled network");
    auto* compiled = info[0].As<Napi::External<Compiled>>().Data();
    compiled->program.reset();
    compiled->kept.clear();
    return info.Env().Undefined();
  });
}

// timeConvolution({ images, outChannels, kernel, stride, padding, groups, bfloat16, algorithm, pass, repeats }): seconds, or null.
Napi::Value timeOneConvolution(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Compiled none;
    const Reader read(none, info[0].As<Napi::Object>());
    const auto images = read.integers("images", 4);
    Geometry g = read.geometry();
    g.groups = static_cast<int64_t>(read.number("groups"));
    const double seconds = timeConvolution({images[0], images[1], images[2], images[3]},
                                           static_cast<int64_t>(read.number("outChannels")), g, read.flag("bfloat16"),
                                           algorithmOf(static_cast<int64_t>(read.number("algorithm"))),
                                           static_cast<int>(read.number("pass")), static_cast<int>(read.number("repeats")));
    if (seconds < 0) return info.Env().Null();
    return Napi::Number::New(info.Env(), seconds);
  });
}

// timeBatchNorm({ shape, bfloat16, repeats }) and timeAddition likewise: seconds.
template <double time(const std::array<int64_t, 4>&, bool, int)>
Napi::Value timeOperation(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Compiled none;
    const Reader read(none, info[0].As<Napi::Object>());
    const auto shape = read.integers("shape", 4);
    const double seconds = time({shape[0], shape[1], shape[2], shape[3]}, read.flag("bfloat16"),
                                static_cast<int>(read.number("repeats")));
    return Napi::Number::New(info.Env(), seconds);
  });
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("compile", Napi::Function::New(env, compile));
  exports.Set("loadParameters", Napi::Function::New(env, loadParameters));
  exports.Set("forward", Napi::Function::New(env, forward));
  exports.Set("backward", Napi::Function::New(env, backward));
  exports.Set("times", Napi::Function::New(env, times));
  exports.Set("dispose", Napi::Function::New(env, dispose));
  exports.Set("wantLargePages", Napi::Function::New(env, wantLargePagesUnder));
  exports.Set("timeConvolution", Napi::Function::New(env, timeOneConvolution));
  exports.Set("timeBatchNorm", Napi::Function::New(env, timeOperation<timeBatchNorm>));
  exports.Set("timeAddition", Napi::Function::New(env, timeOperation<timeAddition>));
  return exports;
}

}  // namespace

}  // namespace knack::fast

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return knack::fast::initialise(env, exports); }

NODE_API_MODULE(knack_fast, initialise)
