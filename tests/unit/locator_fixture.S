/* SPDX-License-Identifier: MIT */
/*
 * Shapes that a compiler seldom makes, at exported labels: calls through the global offset table with and without an
 * instruction before them that the kernel emulates, tail calls, and bytes that only look like a call.
 */
	.globl	Py_GetVersion, PyEval_SaveThread, PyEval_RestoreThread, Py_Version
	.globl	at_blocked, at_waited, at_acquired, at_released_tail, at_released_slow, at_switched, not_a_call, at_by_copy
	.globl	at_load_that_escapes
	.data
Py_Version:
	.quad	0x030b07f0
	.size	Py_Version, 8
gil:	.zero	208

	.text
Py_GetVersion:
	.cfi_startproc
	ret
	.cfi_endproc

PyEval_RestoreThread: /* take_gil */
	.cfi_startproc
	push	%rbx
	lea	gil+32(%rip), %rdi
	lea	gil+80(%rip), %rsi
	xor	%edx, %edx
at_blocked:
	nop /* stands in for the call, with its arguments in place */
	call	*pthread_cond_timedwait@GOTPCREL(%rip)
	mov	8(%rsp), %rcx
	cmp	$110, %eax
	mov	%rcx, %rbx
at_waited:
	jne	1f
	nop
1:	lea	gil+120(%rip), %rdi
at_acquired:
	call	pthread_cond_signal@PLT
not_a_call:
	.byte	0x48, 0xb8, 0xe8 /* movabs $..., %rax, whose constant reads as a call */
	.long	pthread_cond_signal@PLT - 4
	.byte	0, 0, 0
	pop	%rbx
	ret
	.cfi_endproc

PyEval_SaveThread: /* drop_gil */
	.cfi_startproc
	push	%rbx
	lea	gil+32(%rip), %rdi
	test	%eax, %eax
	je	2f
	lea	gil+32(%rip), %rdi
	nop /* passed by one way to the call only */
2:
at_released_slow:
	call	*pthread_cond_signal@GOTPCREL(%rip)
	lea	gil+120(%rip), %rdi
	lea	gil+168(%rip), %rsi
at_switched:
	call	pthread_cond_wait@PLT
	pop	%rbx
	lea	gil+32(%rip), %rdi
at_released_tail:
	jmp	pthread_cond_signal@PLT
	.cfi_endproc

load: .cfi_startproc
	mov	pthread_cond_signal@GOTPCREL(%rip), %r12
	mov	%r12, %rbx
	xor	%r12d, %r12d
at_by_copy:
	call	*%rbx
	call	*%r12 /* something else by now */
	ret
	.cfi_endproc

kept:	.cfi_startproc
at_load_that_escapes:
	mov	pthread_cond_wait@GOTPCREL(%rip), %r12
	mov	%r12, 8(%rsp)
	call	*8(%rsp)
	ret
	.cfi_endproc

	.section .note.GNU-stack, "", @progbits
