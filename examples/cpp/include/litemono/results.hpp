// Image files in, result files out.
#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

namespace litemono {

constexpr double UNITS_PER_METRE = 256;  // of 16-bit PNGs, as in KITTI's

// The file itself, or the images of a folder by name, without earlier results. Raises Error.
std::vector<std::string> find_images(const std::string& input);

// 8-bit RGB, upright by its EXIF note. Raises Error for a file that is no image, or only part of one.
cv::Mat read_rgb(const std::string& path);

// Magma from the least disparity (dark, far) to the 95th percentile (bright, near), (H, W) 8-bit BGR.
cv::Mat colour_picture(const cv::Mat& disparity);

// depth * 256 in 16 bits, as `litemono predict --depth_png`; from 1, because 0 means no value, to 65535 for all beyond.
cv::Mat depth_picture(const cv::Mat& depth);

// Any picture, whole or not at all. Raises Error.
void write_picture(const std::string& path, const cv::Mat& picture);

// (1, 1, H, W) float32, as `litemono predict --save_npy` writes it.
void write_npy(const std::string& path, const cv::Mat& disparity);

}  // namespace litemono
