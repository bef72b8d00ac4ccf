/* A function, one written in assembler, and a USDT probe shop:sale with a counter: what probes on files look for. */
__asm__(".globl bare\n.type bare,@function\nbare: ret\n.size bare,1\n");
__asm__(
    ".globl sell\n.type sell,@function\nsell:\n990: nop\n ret\n.size sell,2\n"
    ".pushsection .note.stapsdt,\"\",\"note\"\n.balign 4\n.4byte 992f-991f, 994f-993f, 3\n"
    "991: .asciz \"stapsdt\"\n992: .balign 4\n"
    "993: .8byte 990b\n.8byte _.stapsdt.base\n.8byte counter\n"
    ".asciz \"shop\"\n.asciz \"sale\"\n.asciz \"-4@%edi 8@%rsi\"\n"
    "994: .balign 4\n.popsection\n"
    ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
    ".weak _.stapsdt.base\n.hidden _.stapsdt.base\n_.stapsdt.base: .space 1\n.size _.stapsdt.base,1\n.popsection\n"
    ".pushsection .probes,\"aw\",\"progbits\"\n.globl counter\ncounter: .2byte 0\n.popsection\n");

int price(int goods) { return goods + 1; }

void _start(void) { __asm__ volatile("call sell\n mov $60, %eax\n xor %edi, %edi\n syscall"); }
