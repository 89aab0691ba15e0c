// SPDX-License-Identifier: Apache-2.0
// wherry-init, as bytes.
    .section .rodata.wherry_init_image, "a"
    .balign 16
    .globl wherry_init_image_begin
    .globl wherry_init_image_end
wherry_init_image_begin:
    .incbin WHERRY_INIT_PATH
wherry_init_image_end:
    .section .note.GNU-stack, "", @progbits
