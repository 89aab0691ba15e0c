unit_sources(accounts_test.cpp convert_test.cpp decoder_test.cpp digest_test.cpp image_test.cpp paths_test.cpp tar_test.cpp tree_test.cpp)
unit_links(wherry_image)
