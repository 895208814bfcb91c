{
  'targets': [{
    'target_name': 'node_sd_cpp',
    'type': 'none',
    'actions': [{
      'action_name': 'cmake',
      'inputs': ['CMakeLists.txt'],
      # Never made, so that the action always runs and CMake decides what is stale.
      'outputs': ['<(PRODUCT_DIR)/.always-run'],
      'action': [
        'node', '<(module_root_dir)/scripts/build-native.js',
        '--config', '<(CONFIGURATION_NAME)', '--arch', '<(target_arch)', '--out', '<(PRODUCT_DIR)',
      ],
    }],
  }],
}
