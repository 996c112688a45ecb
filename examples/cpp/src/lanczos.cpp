#include "litemono/lanczos.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace litemono {
namespace {

constexpr double LOBES = 3;
constexpr int FRACTION_BITS = 22;  // 8 of 32 bits for the pixel, 2 for sums beyond its range

// The weights of the source pixels first .. first + weights.size() - 1.
struct Window {
  int first;
  std::vector<int32_t> weights;
};

double sinc(double x) { return x == 0 ? 1 : std::sin(M_PI * x) / (M_PI * x); }

double kernel(double x) { return std::abs(x) < LOBES ? sinc(x) * sinc(x / LOBES) : 0; }

std::vector<Window> windows(int from, int to) {
  const double scale = static_cast<double>(from) / to, widening = std::max(scale, 1.0), support = LOBES * widening;
  const double narrowing = 1 / widening;
  std::vector<Window> result(to);
  for (int target = 0; target < to; ++target) {
    const double centre = (target + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int last = std::min(from, static_cast<int>(centre + support + 0.5));
    std::vector<double> weights(last - first);
    double sum = 0;
    for (int i = first; i < last; ++i) sum += weights[i - first] = kernel((i - centre + 0.5) * narrowing);
    const double share = 1 / sum;  // times it, like Pillow: dividing rounds otherwise
    result[target].first = first;
    for (double weight : weights)
      result[target].weights.push_back(static_cast<int32_t>(std::round(weight * share * (1 << FRACTION_BITS))));
  }
  return result;
}

uint8_t rounded(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> FRACTION_BITS, 0, 255)); }

constexpr int32_t HALF = 1 << (FRACTION_BITS - 1);

cv::Mat resize_rows(const cv::Mat& image, int width) {
  const auto columns = windows(image.cols, width);
  cv::Mat result(image.rows, width, CV_8UC3);
  for (int y = 0; y < image.rows; ++y) {
    auto* target = result.ptr<uint8_t>(y);
    for (const auto& window : columns) {
      const auto* source = image.ptr<uint8_t>(y) + 3 * window.first;
      int32_t red = HALF, green = HALF, blue = HALF;
      for (int32_t weight : window.weights) {
        red += weight * source[0];
        green += weight * source[1];
        blue += weight * source[2];
        source += 3;
      }
      *target++ = rounded(red);
      *target++ = rounded(green);
      *target++ = rounded(blue);
    }
  }
  return result;
}

cv::Mat resize_columns(const cv::Mat& image, int height) {
  const auto rows = windows(image.rows, height);
  const int values = 3 * image.cols;
  cv::Mat result(height, image.cols, CV_8UC3);
  std::vector<int32_t> sums(values);
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), HALF);
    for (size_t i = 0; i < rows[y].weights.size(); ++i) {
      const auto* source = image.ptr<uint8_t>(rows[y].first + static_cast<int>(i));
      const int32_t weight = rows[y].weights[i];
      for (int x = 0; x < values; ++x) sums[x] += weight * source[x];
    }
    std::transform(sums.begin(), sums.end(), result.ptr<uint8_t>(y), rounded);
  }
  return result;
}

}  // namespace

cv::Mat lanczos(const cv::Mat& image, cv::Size size) {
  CV_Assert(image.type() == CV_8UC3);
  const int narrower = image.cols - size.width, lower = image.rows - size.height;
  const bool rows_first = lower > 0 && lower > 2 * narrower;  // Pillow 13's order; the pixels between are rounded
  cv::Mat result = image;
  if (rows_first) result = resize_columns(result, size.height);
  if (narrower != 0) result = resize_rows(result, size.width);
  if (!rows_first && lower != 0) result = resize_columns(result, size.height);
  return result.isContinuous() ? result : result.clone();
}

}  // namespace litemono
