/* packed.S - the file that pack.c wrote (PACKED), in the program: see bindings/library.h. */
    .section .rodata
    .balign 16
    .globl mp_packed_library
    .type mp_packed_library, %object
mp_packed_library:
    .incbin PACKED
    .size mp_packed_library, . - mp_packed_library
    .section .note.GNU-stack, "", %progbits
