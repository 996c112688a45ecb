// Subscribes to image (sensor_msgs/Image), publishes depth: 32FC1 as REP 118 has it, in metres where the network is metric,
// else in its unknown unit; for a network of relative depth disparity (32FC1) instead.
#if __has_include(<cv_bridge/cv_bridge.hpp>)
#include <cv_bridge/cv_bridge.hpp>
#else
#include <cv_bridge/cv_bridge.h>  // before Iron
#endif

#include <memory>
#include <rclcpp/rclcpp.hpp>
#include <sensor_msgs/image_encodings.hpp>
#include <sensor_msgs/msg/image.hpp>
#include <string>

#include "litemono/depth_estimator.hpp"

namespace {

using sensor_msgs::msg::Image;

class DepthNode : public rclcpp::Node {
 public:
  DepthNode()
      : Node("litemono_depth"),
        estimator_(model(declare_parameter<std::string>("model", "")),
                   static_cast<int>(declare_parameter<int64_t>("threads", 0))) {
    const auto& about = estimator_.about();
    relative_ = about.kind == "relative";
    publisher_ = create_publisher<Image>(relative_ ? "disparity" : "depth", rclcpp::SensorDataQoS());
    subscription_ = create_subscription<Image>("image", rclcpp::SensorDataQoS().keep_last(1),
                                               [this](const Image::ConstSharedPtr& image) { publish_depth(image); });
    RCLCPP_INFO(get_logger(), "%s %dx%d, %s depth", about.model.c_str(), about.width, about.height, about.kind.c_str());
  }

 private:
  static std::string model(const std::string& given) {
    if (given.empty()) throw litemono::Error("no model: add -p model:=street.onnx, a file of litemono export");
    return given;
  }

  // An image that cannot be used is reported and passed over; the next may be fine.
  void publish_depth(const Image::ConstSharedPtr& image) {
    try {
      const auto rgb = cv_bridge::toCvShare(image, sensor_msgs::image_encodings::RGB8);
      const cv::Mat disparity = estimator_.estimate(rgb->image);
      const cv::Mat values = relative_ ? disparity : litemono::to_depth(disparity, estimator_.about());
      publisher_->publish(*cv_bridge::CvImage(image->header, "32FC1", values).toImageMsg());
    } catch (const cv_bridge::Exception& error) {
      RCLCPP_ERROR_THROTTLE(get_logger(), *get_clock(), 5000, "%s images: %s", image->encoding.c_str(), error.what());
    } catch (const litemono::Error& error) {
      RCLCPP_ERROR_THROTTLE(get_logger(), *get_clock(), 5000, "%s", error.what());
    }
  }

  litemono::DepthEstimator estimator_;
  bool relative_;
  rclcpp::Publisher<Image>::SharedPtr publisher_;
  rclcpp::Subscription<Image>::SharedPtr subscription_;
};

}  // namespace

int main(int argc, char** argv) {
  rclcpp::init(argc, argv);
  try {
    rclcpp::spin(std::make_shared<DepthNode>());
  } catch (const litemono::Error& error) {
    RCLCPP_FATAL(rclcpp::get_logger("litemono_depth"), "%s", error.what());
    return 2;
  }
  rclcpp::shutdown();
  return 0;
}
