#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <optional>

#include "litemono/runtime.hpp"

namespace litemono {
namespace {

// What torch says of an error, without its stack.
std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

class AotiRuntime : public Runtime {
 public:
  AotiRuntime(const std::string& path, int threads) : path_(path) {
    const std::string content = read_file(path);
    const size_t end = content.rfind(CHECKSUM + "=");  // the archive's comment; before any code in it is loaded
    if (end == std::string::npos)
      throw Error(path + ": not written by `litemono export --format aoti`; export the network again");
    check_content(path, content, content.substr(end + CHECKSUM.size() + 1));
    if (threads) at::set_num_threads(threads);
    try {
      loader_.emplace(path);
    } catch (const std::exception& error) {
      throw Error(path + ": this libtorch cannot load it (" + first_line(error) + "); export it on this machine");
    }
    const auto metadata = loader_->get_metadata();
    const std::map<std::string, std::string> properties(metadata.begin(), metadata.end());
    about_ = about_from(path, properties);
    const auto batch = properties.find("litemono.batch");
    check_batch(path, batch == properties.end() ? 0 : std::stol(batch->second));
  }

  const About& about() const override { return about_; }

  cv::Mat run(const cv::Mat& input) override {
    const c10::InferenceMode inference;
    const int64_t height = about_.height, width = about_.width;
    auto* data = const_cast<uint8_t*>(input.ptr<uint8_t>());
    const auto tensor = about_.takes_uint8 ? at::from_blob(data, {1, height, width, 3}, at::kByte)
                                           : at::from_blob(data, {1, 3, height, width}, at::kFloat);
    try {
      result_ = loader_->run({tensor}).at(0).contiguous();
    } catch (const std::exception& error) {
      throw Error(path_ + ": this libtorch cannot run it (" + first_line(error) + "); export it on this machine");
    }
    return cv::Mat(about_.height, about_.width, CV_32F, result_.data_ptr<float>());
  }

 private:
  std::string path_;
  std::optional<torch::inductor::AOTIModelPackageLoader> loader_;
  at::Tensor result_;
  About about_;
};

}  // namespace

std::unique_ptr<Runtime> open_runtime(const std::string& path, int threads) {
  return std::make_unique<AotiRuntime>(path, threads);
}

}  // namespace litemono
