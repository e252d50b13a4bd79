// The Node-API door of the fast engine: TypeScript describes a network, and runs it.
#include <napi.h>
#include <omp.h>

#include <unordered_set>

#include "convolution-passes.h"
#include "primitive-times.h"
#include "reader.h"
#include "waiting.h"

namespace knack::cpu {

namespace {

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

// This thread's networks: a handle of another addon is an external too. Never destroyed, as finalizers may come last of all.
std::unordered_set<Compiled*>& networks() {
  thread_local auto* known = new std::unordered_set<Compiled*>();
  return *known;
}

Compiled& networkOf(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) throw std::invalid_argument("not a compiled network");
  auto* compiled = info[0].As<Napi::External<Compiled>>().Data();
  if (networks().count(compiled) == 0) throw std::invalid_argument("not a compiled network");
  return *compiled;
}

Compiled& compiledOf(const Napi::CallbackInfo& info) {
  Compiled& compiled = networkOf(info);
  if (!compiled.program) throw std::invalid_argument("the compiled network was disposed");
  return compiled;
}

// compile({ bfloat16, training, channelsLast, values: [{ shape, kind }], operations })
Napi::Value compile(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object description = info[0].As<Napi::Object>();
    auto compiled = std::make_unique<Compiled>();
    const Reader whole(*compiled, description);
    compiled->program = std::make_unique<Program>(Settings{whole.flag("bfloat16"), whole.flag("training"), whole.flag("channelsLast")});
    Program& program = *compiled->program;
    const Napi::Array values = description.Get("values").As<Napi::Array>();
    for (uint32_t i = 0; i < values.Length(); ++i) {
      const Reader read(*compiled, values.Get(i).As<Napi::Object>());
      const auto shape = read.integers("shape");
      for (const int64_t size : shape) {
        if (size < 1) throw std::invalid_argument("a shape's sizes are 1 or more");
      }
      const std::string kind = read.text("kind");
      if (shape.size() == 4 && kind == "integers") program.addIntegers(shape[0], shape[1], shape[2], shape[3]);
      else if (shape.size() == 4) program.addImages(shape[0], shape[1], shape[2], shape[3], kind == "input");
      else if (shape.size() == 2) program.addVectors(shape[0], shape[1], kind == "output");
      else throw std::invalid_argument("a value has two or four dimensions");
    }
    const Napi::Array operations = description.Get("operations").As<Napi::Array>();
    for (uint32_t i = 0; i < operations.Length(); ++i) {
      const Reader read(*compiled, operations.Get(i).As<Napi::Object>());
      const std::string number = std::to_string(i) + ": ";
      try {
        program.add(makeOperation(read));
      } catch (const Unsupported& error) {
        throw Unsupported(number + error.what());
      } catch (const dnnl::error& error) {
        throw Unsupported(number + read.text("kind") + " of these sizes (" + error.what() + ")");
      }
    }
    program.finish();
    const Napi::Value handle = Napi::External<Compiled>::New(info.Env(), compiled.get(), [](Napi::Env, Compiled* dead) {
      networks().erase(dead);
      delete dead;
    });
    networks().insert(compiled.release());
    return handle;
  });
}

// loadParameters(network, andGiveBack)
Napi::Value loadParameters(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    compiledOf(info).program->loadParameters(info[1].ToBoolean());
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

Range rangeOf(const Program& program, const Napi::Value& from, const Napi::Value& to) {
  const Range range = {from.As<Napi::Number>().Uint32Value(), to.As<Napi::Number>().Uint32Value()};
  if (range.from > range.to || range.to > program.operations().size()) throw std::invalid_argument("the network has no such operations");
  return range;
}

// forward(network, from, to, timed)
Napi::Value forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Program& program = *compiledOf(info).program;
    program.forward(rangeOf(program, info[1], info[2]), info[3].As<Napi::Boolean>().Value());
    return info.Env().Undefined();
  });
}

// backward(network, from, to, accumulate, timed)
Napi::Value backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Program& program = *compiledOf(info).program;
    program.backward(rangeOf(program, info[1], info[2]), info[3].As<Napi::Boolean>().Value(), info[4].As<Napi::Boolean>().Value());
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
    Compiled& compiled = networkOf(info);
    compiled.program.reset();
    compiled.kept.clear();
    return info.Env().Undefined();
  });
}

// { images, outChannels, kernel, stride, padding, groups, bfloat16, training, first }
ConvolutionTask readTask(const Reader& read) {
  const auto images = read.integers("images", 4);
  ConvolutionTask task = {{images[0], images[1], images[2], images[3]},
                          static_cast<int64_t>(read.number("outChannels")),
                          read.geometry(),
                          read.flag("bfloat16"),
                          read.flag("training"),
                          read.flag("first"),
                          false,
                          {}};
  task.geometry.groups = static_cast<int64_t>(read.number("groups"));
  return task;
}

// timeConvolution({ …the convolution, channelsLast, algorithms, pass, repeats }): seconds, or null.
Napi::Value timeOneConvolution(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Compiled none;
    const Reader read(none, info[0].As<Napi::Object>());
    ConvolutionTask task = readTask(read);
    task.channelsLast = read.flag("channelsLast");
    const auto algorithms = read.integers("algorithms", 3);
    for (int i = 0; i < 3; ++i) task.algorithms[i] = algorithmOf(algorithms[i]);
    const double seconds =
        timeConvolution(task, static_cast<int>(read.number("pass")), static_cast<int>(read.number("repeats")));
    if (seconds < 0) return info.Env().Null();
    return Napi::Number::New(info.Env(), seconds);
  });
}

// shareInChannelsLast({ …the convolution }): 0 to 1.
Napi::Value askForChannelsLast(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Compiled none;
    return Napi::Number::New(info.Env(), shareInChannelsLast(readTask(Reader(none, info[0].As<Napi::Object>()))));
  });
}

// processor(): { instructionSet, library, block, exactBytes }; block is null where this processor has no fast layout.
Napi::Value processor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("instructionSet", instructionSet());
    result.Set("library", libraryVersion());
    result.Set("block", hasFastLayout() ? Napi::Number::New(info.Env(), kBlock) : info.Env().Null());
    result.Set("exactBytes", addsBytesExactly());
    return result;
  });
}

// scheduled(): { running, waiting }, seconds of this thread and those it computes with.
Napi::Value scheduledOfThisThread(const Napi::CallbackInfo& info) {
  const Scheduled times = scheduled();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("running", times.running);
  result.Set("waiting", times.waiting);
  return result;
}

// setThreads(count): of the calling thread's passes.
Napi::Value setThreads(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsNumber() || info[0].As<Napi::Number>().Int32Value() < 1) throw std::invalid_argument("setThreads: expected a number from 1 on");
    omp_set_num_threads(info[0].As<Napi::Number>().Int32Value());
    return info.Env().Undefined();
  });
}

// timeBatchNorm({ shape, bfloat16, channelsLast, repeats }) and timeAddition likewise: seconds.
template <double time(const std::array<int64_t, 4>&, bool, bool, int)>
Napi::Value timeOperation(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Compiled none;
    const Reader read(none, info[0].As<Napi::Object>());
    const auto shape = read.integers("shape", 4);
    const double seconds = time({shape[0], shape[1], shape[2], shape[3]}, read.flag("bfloat16"),
                                read.flag("channelsLast"), static_cast<int>(read.number("repeats")));
    return Napi::Number::New(info.Env(), seconds);
  });
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("processor", Napi::Function::New(env, processor));
  exports.Set("setThreads", Napi::Function::New(env, setThreads));
  exports.Set("compile", Napi::Function::New(env, compile));
  exports.Set("loadParameters", Napi::Function::New(env, loadParameters));
  exports.Set("forward", Napi::Function::New(env, forward));
  exports.Set("backward", Napi::Function::New(env, backward));
  exports.Set("times", Napi::Function::New(env, times));
  exports.Set("dispose", Napi::Function::New(env, dispose));
  exports.Set("wantLargePages", Napi::Function::New(env, wantLargePagesUnder));
  exports.Set("scheduled", Napi::Function::New(env, scheduledOfThisThread));
  exports.Set("timeConvolution", Napi::Function::New(env, timeOneConvolution));
  exports.Set("shareInChannelsLast", Napi::Function::New(env, askForChannelsLast));
  exports.Set("timeBatchNorm", Napi::Function::New(env, timeOperation<timeBatchNorm>));
  exports.Set("timeAddition", Napi::Function::New(env, timeOperation<timeAddition>));
  return exports;
}

}  // namespace

}  // namespace knack::cpu

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return knack::cpu::initialise(env, exports); }

NODE_API_MODULE(knack_cpu, initialise)
