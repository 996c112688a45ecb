#pragma once

#include <opencv2/core.hpp>

namespace litemono {

// An 8-bit image of three channels, resized with Lanczos' window of three lobes, widened where the image shrinks. Equal
// to Image.resize(size, LANCZOS) of Pillow 13 bit for bit, which training uses; OpenCV's INTER_LANCZOS4 does not widen.
cv::Mat lanczos(const cv::Mat& image, cv::Size size);

}  // namespace litemono
