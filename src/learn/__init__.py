"""capwrap-learn: which capabilities does a script need? The rooms: target (what is tried), trials (one run of it), kernel (what
the kernel was asked meanwhile), lines (which line of the script asked), search (which runs, and what follows), report."""
