#include "litemono/depth_estimator.hpp"

#include <chrono>
#include <opencv2/imgproc.hpp>

#include "litemono/lanczos.hpp"
#include "litemono/runtime.hpp"

namespace litemono {
namespace {

class Stopwatch {
 public:
  // Milliseconds since the last call.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double, std::milli> passed = now - start_;
    start_ = now;
    return passed.count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// (H, W) 8-bit RGB -> the network's input, continuous: the same, or (3 * H, W) float32, one channel below the other.
cv::Mat as_input(const cv::Mat& rgb, bool takes_uint8) {
  if (takes_uint8) return rgb;
  cv::Mat planes(3 * rgb.rows, rgb.cols, CV_32F), parts[3];
  cv::split(rgb, parts);
  for (int channel = 0; channel < 3; ++channel) {
    cv::Mat plane = planes.rowRange(channel * rgb.rows, (channel + 1) * rgb.rows);
    parts[channel].convertTo(plane, CV_32F, 1 / 255.0);
  }
  return planes;
}

}  // namespace

DepthEstimator::DepthEstimator(const std::string& model_file, int threads)
    : runtime_(open_runtime(model_file, threads)) {}

DepthEstimator::~DepthEstimator() = default;

const About& DepthEstimator::about() const { return runtime_->about(); }

cv::Mat DepthEstimator::estimate(const cv::Mat& rgb) {
  if (rgb.type() != CV_8UC3 || rgb.empty()) throw Error("an image is 8-bit RGB and has at least one pixel");
  Stopwatch watch;
  const cv::Mat input = as_input(lanczos(rgb, {about().width, about().height}), about().takes_uint8);
  timings_.resize = watch.lap();
  const cv::Mat output = runtime_->run(input);
  disparity_ = about().gives_depth ? cv::Mat(1 / output) : output.clone();
  timings_.network = watch.lap();
  if (!cv::checkRange(disparity_)) throw Error("the network predicts values that are not finite; its weights are of no use");
  cv::Mat result;
  cv::resize(disparity_, result, rgb.size(), 0, 0, cv::INTER_LINEAR);
  timings_.resize_back = watch.lap();
  return result;
}

cv::Mat to_depth(const cv::Mat& disparity, const About& about) {
  if (about.kind == "relative")
    throw Error(about.model + " predicts relative inverse depth; depth follows when its scale and shift are known");
  return 1 / disparity;
}

}  // namespace litemono
