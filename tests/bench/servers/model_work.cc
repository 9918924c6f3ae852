#include "model_work.h"

#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <memory>

namespace tensorferry::bench {

std::function<void()> LoadModelWork(const std::string& file, const std::vector<std::int64_t>& shape) {
  at::set_num_threads(1);
  const at::Tensor input = at::ones(shape);
  std::function<void()> run;
  if (file.ends_with(".pt2")) {
    const auto loader = std::make_shared<torch::inductor::AOTIModelPackageLoader>(file);
    run = [loader, input] { loader->run({input}); };
  } else {
    const auto module = std::make_shared<torch::jit::Module>(torch::jit::load(file));
    module->eval();
    run = [module, input] { module->forward({input}); };
  }
  return [run] {
    const c10::InferenceMode guard;
    run();
  };
}

}  // namespace tensorferry::bench
