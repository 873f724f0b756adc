"""Peripherals of the STM32F746 and of its core, one file each."""
