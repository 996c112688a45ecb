#include <onnxruntime_cxx_api.h>

#include <array>

#include "litemono/runtime.hpp"

namespace litemono {
namespace {

class OnnxRuntime : public Runtime {
 public:
  OnnxRuntime(const std::string& path, int threads) : path_(path) {
    const std::string content = read_file(path);
    Ort::SessionOptions options;
    if (threads) options.SetIntraOpNumThreads(threads);
    try {
      session_ = Ort::Session(environment_, content.data(), content.size(), options);
    } catch (const Ort::Exception& error) {
      throw Error(path + ": ONNX Runtime cannot read it (" + error.what() + "); export it again");
    }
    const auto properties = read_properties();
    about_ = about_from(path, properties);
    const auto checksum = properties.find(CHECKSUM);
    check_content(path, content, checksum == properties.end() ? "" : checksum->second);
    check_batch(path, session_.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape().at(0));
    Ort::AllocatorWithDefaultOptions allocator;
    input_ = session_.GetInputNameAllocated(0, allocator).get();
    output_ = session_.GetOutputNameAllocated(0, allocator).get();
  }

  const About& about() const override { return about_; }

  cv::Mat run(const cv::Mat& input) override {
    const int64_t height = about_.height, width = about_.width;
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const size_t values = 3 * height * width;
    const std::array<int64_t, 4> rows{1, height, width, 3}, planes{1, 3, height, width};
    const auto tensor =
        about_.takes_uint8
            ? Ort::Value::CreateTensor<uint8_t>(memory, const_cast<uint8_t*>(input.ptr<uint8_t>()), values, rows.data(), 4)
            : Ort::Value::CreateTensor<float>(memory, const_cast<float*>(input.ptr<float>()), values, planes.data(), 4);
    const char* names[] = {input_.c_str(), output_.c_str()};
    try {
      result_ = session_.Run(Ort::RunOptions{}, names, &tensor, 1, names + 1, 1);
    } catch (const Ort::Exception& error) {
      throw Error(path_ + ": ONNX Runtime cannot run it (" + error.what() + "); export it again");
    }
    return cv::Mat(about_.height, about_.width, CV_32F, result_[0].GetTensorMutableData<float>());
  }

 private:
  std::map<std::string, std::string> read_properties() {
    Ort::AllocatorWithDefaultOptions allocator;
    const auto metadata = session_.GetModelMetadata();
    std::map<std::string, std::string> properties;
    for (const auto& key : metadata.GetCustomMetadataMapKeysAllocated(allocator))
      properties[key.get()] = metadata.LookupCustomMetadataMapAllocated(key.get(), allocator).get();
    return properties;
  }

  std::string path_, input_, output_;
  Ort::Env environment_{ORT_LOGGING_LEVEL_ERROR, "litemono"};
  Ort::Session session_{nullptr};
  std::vector<Ort::Value> result_;
  About about_;
};

}  // namespace

std::unique_ptr<Runtime> open_runtime(const std::string& path, int threads) {
  return std::make_unique<OnnxRuntime>(path, threads);
}

}  // namespace litemono
