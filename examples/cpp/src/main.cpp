// depth_onnx and depth_aoti: depth pictures of an image or a folder of images.
#include <getopt.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <opencv2/core/utils/logger.hpp>

#include "litemono/depth_estimator.hpp"
#include "litemono/results.hpp"

namespace {

namespace fs = std::filesystem;
using litemono::Error;

constexpr char HELP[] = R"(depth pictures of an image or a folder of images

  --model FILE     of `litemono export`
  --input PATH     an image or a folder of images
  --output FOLDER  for NAME_disp.png (colours: bright is near) and NAME_depth.png (16 bits: depth * 256). Default: beside
                   the images
  --save_npy       also write NAME_disp.npy: disparity at the network's size, (1, 1, H, W) float32
  --threads N      of the network. Default: the runtime's
  --repeat N       compute each image N times, for timings
)";

struct Options {
  std::string model, input, output;
  bool save_npy = false;
  int threads = 0, repeat = 1;
};

int count(const char* flag, const char* text) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*end || end == text || value < 1 || value > 100000)
    throw Error(std::string(flag) + " " + text + ": give a number of at least 1");
  return static_cast<int>(value);
}

Options parse(int argc, char** argv) {
  static const option flags[] = {{"model", required_argument, nullptr, 'm'},   {"input", required_argument, nullptr, 'i'},
                                 {"output", required_argument, nullptr, 'o'},  {"save_npy", no_argument, nullptr, 'n'},
                                 {"threads", required_argument, nullptr, 't'}, {"repeat", required_argument, nullptr, 'r'},
                                 {"help", no_argument, nullptr, 'h'},          {}};
  Options options;
  opterr = 0;  // the message is ours
  for (int flag; (flag = getopt_long(argc, argv, "", flags, nullptr)) != -1;) {
    if (flag == 'm') options.model = optarg;
    if (flag == 'i') options.input = optarg;
    if (flag == 'o') options.output = optarg;
    if (flag == 'n') options.save_npy = true;
    if (flag == 't') options.threads = count("--threads", optarg);
    if (flag == 'r') options.repeat = count("--repeat", optarg);
    if (flag == 'h') {
      std::cout << HELP;
      std::exit(0);
    }
    if (flag == '?') throw Error(std::string(argv[optind - 1]) + ": no such flag, or its value is missing; see --help");
  }
  if (optind < argc) throw Error(std::string(argv[optind]) + ": is no flag; see --help");
  if (options.model.empty() || options.input.empty()) throw Error("--model and --input are needed; see --help");
  return options;
}

void process(const std::string& path, litemono::DepthEstimator& estimator, const Options& options,
             std::vector<litemono::Timings>& timings) {
  const cv::Mat rgb = litemono::read_rgb(path);
  cv::Mat disparity;
  for (int i = 0; i < options.repeat; ++i) {
    disparity = estimator.estimate(rgb);
    timings.push_back(estimator.timings());
  }
  const fs::path folder = options.output.empty() ? fs::path(path).parent_path() : fs::path(options.output);
  const std::string stem = (folder / fs::path(path).stem()).string();
  litemono::write_picture(stem + "_disp.png", litemono::colour_picture(disparity));
  if (estimator.about().kind != "relative")
    litemono::write_picture(stem + "_depth.png",
                            litemono::depth_picture(litemono::to_depth(disparity, estimator.about())));
  if (options.save_npy) litemono::write_npy(stem + "_disp.npy", estimator.at_network_size());
}

double median(const std::vector<litemono::Timings>& timings, double litemono::Timings::*step) {
  std::vector<double> values;
  for (const auto& timing : timings) values.push_back(timing.*step);
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void run(const Options& options) {
  litemono::DepthEstimator estimator(options.model, options.threads);
  const auto paths = litemono::find_images(options.input);
  std::vector<litemono::Timings> timings;
  std::vector<std::string> broken;
  for (const auto& path : paths) try {
      process(path, estimator, options, timings);
    } catch (const Error& error) {
      broken.push_back(error.what());
    }
  if (!timings.empty())
    std::printf("%zu of %zu images; medians: resize %.2f ms, network %.2f ms, resize back %.2f ms\n",
                paths.size() - broken.size(), paths.size(), median(timings, &litemono::Timings::resize),
                median(timings, &litemono::Timings::network), median(timings, &litemono::Timings::resize_back));
  if (broken.size() == 1) throw Error(broken[0]);
  if (broken.empty()) return;
  std::string message = std::to_string(broken.size()) + " images have no depth picture:";
  for (const auto& reason : broken) message += "\n  " + reason;
  throw Error(message);
}

}  // namespace

int main(int argc, char** argv) try {
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);  // what OpenCV would say, the errors say
  run(parse(argc, argv));
  return 0;
} catch (const Error& error) {
  std::cerr << error.what() << '\n';
  return 2;
}
