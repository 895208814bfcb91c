#include "params/generate.h"

namespace sdcpp::params {

#define MEMBER(member) SDCPP_MEMBER(GenerateParams, member)

const Table<GenerateParams>& generate_table() {
  static const Table<GenerateParams> table = {
      field<GenerateParams>("prompt", MEMBER(prompt)),
      field<GenerateParams>("negativePrompt", MEMBER(negative_prompt)),
      field<GenerateParams>("width", MEMBER(width)),
      field<GenerateParams>("height", MEMBER(height)),
      field<GenerateParams>("steps", MEMBER(sample_params.sample_steps)),
      field<GenerateParams>("cfgScale", MEMBER(sample_params.guidance.txt_cfg)),
      choice<GenerateParams>("sampler", MEMBER(sample_params.sample_method), names_of(sd_sample_method_name, SAMPLE_METHOD_COUNT)),
      choice<GenerateParams>("scheduler", MEMBER(sample_params.scheduler), names_of(sd_scheduler_name, SCHEDULER_COUNT)),
      field<GenerateParams>("seed", MEMBER(seed)),
      field<GenerateParams>("batchCount", MEMBER(batch_count)),
      field<GenerateParams>("eta", MEMBER(sample_params.eta)),
      field<GenerateParams>("flowShift", MEMBER(sample_params.flow_shift)),
      list<GenerateParams>("sigmas", MEMBER(sample_params.custom_sigmas), MEMBER(sample_params.custom_sigmas_count)),
      list<GenerateParams>("skipLayerGuidance.layers", MEMBER(sample_params.guidance.slg.layers),
                           MEMBER(sample_params.guidance.slg.layer_count)),
      field<GenerateParams>("skipLayerGuidance.scale", MEMBER(sample_params.guidance.slg.scale)),
      field<GenerateParams>("skipLayerGuidance.start", MEMBER(sample_params.guidance.slg.layer_start)),
      field<GenerateParams>("skipLayerGuidance.end", MEMBER(sample_params.guidance.slg.layer_end)),
      field<GenerateParams>("clipSkip", MEMBER(clip_skip)),
      field<GenerateParams>("priority", MEMBER(priority)),
  };
  return table;
}

}  // namespace sdcpp::params
