// The engine without Node: what the addon's time per step is compared with. It loads a model, and for each line on stdin
// draws one picture and prints the seconds per step.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "engine/extension.h"
#include "ggml-backend.h"
#include "stable-diffusion.h"

using Clock = std::chrono::steady_clock;

// The engine's target redirects this call to the addon; here it goes where it went.
extern "C" ggml_status sdcpp_graph_compute(ggml_backend_t backend, ggml_cgraph* graph) {
  return ggml_backend_graph_compute(backend, graph);
}

namespace {

struct Steps {
  Clock::time_point first, last;
  int count = 0;
};

void on_progress(int step, int steps, float, void* data) {
  auto& timed = *static_cast<Steps*>(data);
  (void)steps;
  if (step == 0) timed.first = Clock::now();
  timed.last = Clock::now();
  timed.count = step;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: bench-driver DIFFUSION CLIP_L TAESD THREADS SIDE STEPS FLASH_ATTENTION\n");
    return 2;
  }
  sd_set_log_callback([](sd_log_level_t, const char*, void*) {}, nullptr);
  sd_ctx_params_t model;
  sd_ctx_params_init(&model);
  model.diffusion_model_path = argv[1];
  model.clip_l_path = argv[2];
  model.taesd_path = argv[3];
  model.n_threads = std::atoi(argv[4]);
  model.diffusion_flash_attn = std::atoi(argv[7]) != 0;
  Steps steps;
  sd_set_progress_callback(on_progress, &steps);
  sdcpp::engine::ModelInfo info;
  sd_ctx_t* context = sdcpp::engine::load(model, {}, info);  // the engine's own conditioner refuses CLIP-L alone

  sd_img_gen_params_t run;
  sd_img_gen_params_init(&run);
  run.prompt = "a red circle on a blue background";
  run.negative_prompt = "";
  run.width = run.height = std::atoi(argv[5]);
  run.sample_params.sample_steps = std::atoi(argv[6]);
  run.sample_params.guidance.txt_cfg = 1;
  run.seed = 7;
  while (std::getchar() != EOF) {
    sd_image_t* image = generate_image(context, &run);
    if (image == nullptr) return 1;
    std::printf("%.9f\n", std::chrono::duration<double>(steps.last - steps.first).count() / steps.count);
    std::fflush(stdout);
    free_sd_images(image, 1);
  }
  free_sd_ctx(context);
  return 0;
}
