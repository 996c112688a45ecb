// Depth of one image from a file of `litemono export`.
#pragma once

#include <memory>
#include <opencv2/core.hpp>
#include <string>

#include "litemono/model_file.hpp"

namespace litemono {

class Runtime;

// Milliseconds of the last call of DepthEstimator::estimate.
struct Timings {
  double resize = 0, network = 0, resize_back = 0;
};

// A trained network. The same steps as `litemono predict`: Lanczos resize to the network's size, network, bilinear
// resize of its disparity to the image's size. One object serves one thread at a time.
class DepthEstimator {
 public:
  // threads: of the network; 0: the runtime's default. Raises Error for a file that is absent, damaged or changed.
  explicit DepthEstimator(const std::string& model_file, int threads = 0);
  ~DepthEstimator();

  const About& about() const;

  // rgb: (H, W) 8-bit, three channels, red first. Returns (H, W) float32 inverse depth: larger is nearer. Its unit
  // follows from about().kind. Raises Error for another type of image and for results that are not finite.
  cv::Mat estimate(const cv::Mat& rgb);

  // The last call's inverse depth before its resize, (about().height, about().width) float32.
  const cv::Mat& at_network_size() const { return disparity_; }
  const Timings& timings() const { return timings_; }

 private:
  std::unique_ptr<Runtime> runtime_;
  cv::Mat disparity_;
  Timings timings_;
};

// 1 / disparity. Raises Error where the disparity is relative: then this has no meaning.
cv::Mat to_depth(const cv::Mat& disparity, const About& about);

}  // namespace litemono
