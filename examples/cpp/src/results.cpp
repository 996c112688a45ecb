#include "litemono/results.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <set>

#include "litemono/model_file.hpp"

namespace litemono {
namespace {

namespace fs = std::filesystem;

constexpr size_t MOST_PIXELS = 89478485;  // as in `litemono predict`: a small file may ask for gigabytes

constexpr double LEAST_WHITE = 1 << 14;  // 16-bit images end above it; 10 to 14 bits of a camera would come out dark

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool is_image(const fs::path& path) {
  static const std::set<std::string> suffixes{".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"};
  std::string suffix = path.extension().string(), stem = path.stem().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(), [](unsigned char c) { return std::tolower(c); });
  return suffixes.count(suffix) && stem[0] != '.' && !ends_with(stem, "_disp") && !ends_with(stem, "_depth");
}

// A JPEG or PNG without its end. libjpeg would fill the missing part with grey. In a JPEG's pixels 0xFF is followed by 0.
bool is_cut(const std::string& content) {
  if (content.compare(0, 4, "\x89PNG") == 0) return content.rfind("IEND") == std::string::npos;
  if (content.compare(0, 2, "\xff\xd8") != 0) return false;
  const size_t pixels = content.rfind("\xff\xda");
  return pixels == std::string::npos || content.find("\xff\xd9", pixels) == std::string::npos;
}

// Writes beside the place, then moves there.
template <class Write>
void replacing(const std::string& path, Write write) {
  const fs::path target(path);
  const fs::path draft = target.parent_path() / (".part_" + target.filename().string());
  std::error_code failed;
  fs::create_directories(target.parent_path(), failed);
  const bool written = !failed && write(draft.string());
  if (written) fs::rename(draft, target, failed);
  if (!written || failed) {
    fs::remove(draft, failed);
    throw Error(path + ": cannot be written; check the folder's permissions and the free space");
  }
}

// 16 bits to the upper 8. Raises Error where the numbers could mean anything, as those of a 12-bit camera.
cv::Mat to_8_bits(const std::string& path, const cv::Mat& image) {
  if (image.depth() == CV_8U) return image;
  double most = 0;
  cv::minMaxLoc(image.reshape(1), nullptr, &most);
  if (image.depth() != CV_16U || (most > 0 && most < LEAST_WHITE))
    throw Error(path + ": its numbers do not fill 8 or 16 bits; save it with 8 bits a channel");
  cv::Mat result;
  image.convertTo(result, CV_8U, 1 / 256.0, -0.499);  // rounds to nearest, and is to round down
  return result;
}

float percentile95(const cv::Mat& values) {
  std::vector<float> all(values.begin<float>(), values.end<float>());
  const double place = 0.95 * static_cast<double>(all.size() - 1);
  const auto below = static_cast<size_t>(place);
  std::nth_element(all.begin(), all.begin() + below, all.end());
  const float low = all[below];
  const float high = below + 1 < all.size() ? *std::min_element(all.begin() + below + 1, all.end()) : low;
  return low + static_cast<float>(place - static_cast<double>(below)) * (high - low);
}

}  // namespace

std::vector<std::string> find_images(const std::string& input) {
  if (fs::is_regular_file(input)) return {input};
  if (!fs::is_directory(input)) throw Error("--input " + input + ": there is no such file or folder");
  std::vector<std::string> paths;
  std::set<std::string> stems;
  for (const auto& entry : fs::directory_iterator(input))
    if (entry.is_regular_file() && is_image(entry.path())) paths.push_back(entry.path().string());
  if (paths.empty()) throw Error("--input " + input + ": no images (png, jpg, bmp, webp, tif) in this folder");
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths)
    if (!stems.insert(fs::path(path).stem().string()).second)
      throw Error("--input " + input + ": two images would both become " + fs::path(path).stem().string() +
                  "_disp.png; move one of them");
  return paths;
}

cv::Mat read_rgb(const std::string& path) {
  const std::string content = read_file(path);
  const std::vector<char> bytes(content.begin(), content.end());
  cv::Mat bgr, rgb;
  try {
    if (!content.empty() && !is_cut(content)) bgr = cv::imdecode(bytes, cv::IMREAD_COLOR | cv::IMREAD_ANYDEPTH);
  } catch (const cv::Exception&) {  // too many pixels for OpenCV
  }
  if (bgr.empty()) throw Error(path + ": not a complete image; replace it or take it out of --input");
  if (bgr.total() > MOST_PIXELS) throw Error(path + ": too many pixels for an image of a camera; make it smaller");
  cv::cvtColor(to_8_bits(path, bgr), rgb, cv::COLOR_BGR2RGB);
  return rgb;
}

cv::Mat colour_picture(const cv::Mat& disparity) {
  double low = 0;
  cv::minMaxLoc(disparity, &low);
  const double range = percentile95(disparity) - low;
  cv::Mat shades, picture;  // each shade is a 256th of the range, rounded down; convertTo rounds to nearest
  if (range > 0)
    disparity.convertTo(shades, CV_8U, 256 / range, -256 * low / range - 0.5);
  else
    shades = cv::Mat::zeros(disparity.size(), CV_8U);
  cv::applyColorMap(shades, picture, cv::COLORMAP_MAGMA);
  return picture;
}

cv::Mat depth_picture(const cv::Mat& depth) {
  cv::Mat picture;
  depth.convertTo(picture, CV_16U, UNITS_PER_METRE);
  return cv::max(picture, 1);
}

void write_picture(const std::string& path, const cv::Mat& picture) {
  replacing(path, [&](const std::string& draft) { return cv::imwrite(draft, picture); });
}

void write_npy(const std::string& path, const cv::Mat& disparity) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, " + std::to_string(disparity.rows) +
                       ", " + std::to_string(disparity.cols) + "), }";
  header.append(117 - header.size(), ' ');  // 128 bytes before the numbers: 10, the header, its line end
  header += '\n';
  replacing(path, [&](const std::string& draft) {
    std::ofstream file(draft, std::ios::binary);
    file.write("\x93NUMPY\x01\x00\x76\x00", 10) << header;
    file.write(reinterpret_cast<const char*>(disparity.ptr<float>()), 4 * disparity.total());
    return static_cast<bool>(file.flush());
  });
}

}  // namespace litemono
