/*
 * capwrap._libcap: libcap's calls for Python, and nothing else. What a file
 * has needs none of them: it is an extended attribute.
 *
 * A set of capabilities is a mask, one bit a capability, so that bits newer
 * than libcap pass through. Errors are OSError with errno; what the words
 * mean and what a user may ask for is decided in __init__.py.
 */

/* The stable ABI of Python 3.9, so that one build serves every later one. */
#define Py_LIMITED_API 0x03090000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>

enum { BITS = 64 };

struct flags {
    unsigned long long effective, permitted, inheritable;
};

struct process {
    struct flags flags;
    unsigned long long ambient, bounding;
};

/* ---- masks and libcap's sets ------------------------------------------- */

static void release(void *libcap_memory)
{
    int saved = errno;

    if (libcap_memory != NULL)
        (void)cap_free(libcap_memory);
    errno = saved;
}

static int flag_to_mask(cap_t caps, cap_flag_t flag, unsigned long long *mask)
{
    *mask = 0;
    for (cap_value_t cap = 0; cap < BITS; cap++) {
        cap_flag_value_t value;

        if (cap_get_flag(caps, cap, flag, &value) != 0)
            return -1;
        if (value == CAP_SET)
            *mask |= 1ULL << cap;
    }
    return 0;
}

/* One at a time: libcap 2.66 refuses a list of all 64. */
static int flag_from_mask(cap_t caps, cap_flag_t flag, unsigned long long mask)
{
    for (cap_value_t cap = 0; cap < BITS; cap++)
        if (mask >> cap & 1 && cap_set_flag(caps, flag, 1, &cap, CAP_SET) != 0)
            return -1;
    return 0;
}

static int flags_from_caps(struct flags *flags, cap_t caps)
{
    if (flag_to_mask(caps, CAP_EFFECTIVE, &flags->effective) != 0 ||
        flag_to_mask(caps, CAP_PERMITTED, &flags->permitted) != 0 ||
        flag_to_mask(caps, CAP_INHERITABLE, &flags->inheritable) != 0)
        return -1;
    return 0;
}

static cap_t caps_from_flags(const struct flags *flags)
{
    cap_t caps = cap_init();

    if (caps == NULL)
        return NULL;
    if (flag_from_mask(caps, CAP_EFFECTIVE, flags->effective) != 0 ||
        flag_from_mask(caps, CAP_PERMITTED, flags->permitted) != 0 ||
        flag_from_mask(caps, CAP_INHERITABLE, flags->inheritable) != 0) {
        release(caps);
        return NULL;
    }
    return caps;
}

/* ---- this thread ------------------------------------------------------- */

static int flags_read(struct flags *flags)
{
    cap_t caps = cap_get_proc();
    int failed;

    if (caps == NULL)
        return -1;
    failed = flags_from_caps(flags, caps);
    release(caps);
    return failed;
}

static int flags_write(const struct flags *flags)
{
    cap_t caps = caps_from_flags(flags);
    int failed;

    if (caps == NULL)
        return -1;
    failed = cap_set_proc(caps);
    release(caps);
    return failed;
}

static int ambient_write(unsigned long long mask, cap_flag_value_t value)
{
    for (cap_value_t cap = 0; cap < BITS; cap++)
        if (mask >> cap & 1 && cap_set_ambient(cap, value) != 0)
            return -1;
    return 0;
}

static int bounding_drop(unsigned long long mask)
{
    for (cap_value_t cap = 0; cap < BITS; cap++)
        if (mask >> cap & 1 && cap_drop_bound(cap) != 0)
            return -1;
    return 0;
}

/* The kernel, not libcap, says which the last one is: EINVAL after it. */
static int process_read(struct process *now)
{
    now->ambient = now->bounding = 0;
    for (cap_value_t cap = 0; cap < BITS; cap++) {
        int bound = cap_get_bound(cap);

        if (bound < 0)
            break;
        if (bound > 0)
            now->bounding |= 1ULL << cap;
        if (cap_get_ambient(cap) > 0)
            now->ambient |= 1ULL << cap;
    }
    return flags_read(&now->flags);
}

static bool process_equal(const struct process *a, const struct process *b)
{
    return a->flags.effective == b->flags.effective &&
           a->flags.permitted == b->flags.permitted &&
           a->flags.inheritable == b->flags.inheritable &&
           a->ambient == b->ambient && a->bounding == b->bounding;
}

/*
 * From old to new with nothing half done. A permitted or an inheritable bit
 * that is gone cannot be had back, and a change of the bounding set needs
 * CAP_SETPCAP, which the new state may not have. So:
 *
 *  1. widen to old and new together; refused, nothing has changed
 *  2. raise what becomes ambient; refused, 1 is undone
 *  3. drop from the bounding set; the first one is refused or none is, then
 *     1 and 2 are undone
 *  4. narrow to new, which nothing refuses, and read back
 *
 * Returns NULL, or the step that failed, with errno.
 */
static const char *process_write(const struct process *old,
                                 const struct process *new)
{
    const struct flags wide = {
        .effective = old->flags.effective | new->flags.effective,
        .permitted = old->flags.permitted | new->flags.permitted,
        .inheritable = old->flags.inheritable | new->flags.inheritable,
    };
    const unsigned long long raised = new->ambient & ~old->ambient;
    const char *step = "capset";
    struct process now;
    int saved;

    if (flags_write(&wide) != 0)
        return step;
    step = "raise ambient";
    if (ambient_write(raised, CAP_SET) != 0)
        goto undo;
    step = "drop from the bounding set";
    if (bounding_drop(old->bounding & ~new->bounding) != 0)
        goto undo;
    step = "lower ambient";
    if (ambient_write(old->ambient & ~new->ambient, CAP_CLEAR) != 0)
        goto undo;
    step = "capset";
    if (flags_write(&new->flags) != 0)
        goto undo;
    step = "read back";
    if (process_read(&now) != 0)
        goto undo;
    if (process_equal(&now, new))
        return NULL;
    errno = EPERM;
undo:
    saved = errno;
    (void)ambient_write(raised, CAP_CLEAR);
    (void)flags_write(&old->flags);
    (void)ambient_write(old->ambient, CAP_SET);
    errno = saved;
    return step;
}

/* ---- processes --------------------------------------------------------- */

PyDoc_STRVAR(get_process_doc,
"get_process() -> (effective, permitted, inheritable, ambient, bounding)");

static PyObject *get_process(PyObject *self, PyObject *args)
{
    struct process now;

    (void)self;
    (void)args;
    if (process_read(&now) != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return Py_BuildValue("(KKKKK)", now.flags.effective, now.flags.permitted,
                         now.flags.inheritable, now.ambient, now.bounding);
}

PyDoc_STRVAR(set_process_doc,
"set_process(effective, permitted, inheritable, ambient, bounding)");

static PyObject *set_process(PyObject *self, PyObject *args)
{
    struct process old, new;
    const char *step = "capget";
    PyObject *error;
    int saved;

    (void)self;
    if (!PyArg_ParseTuple(args, "KKKKK:set_process", &new.flags.effective,
                          &new.flags.permitted, &new.flags.inheritable,
                          &new.ambient, &new.bounding))
        return NULL;
    if (process_read(&old) == 0)
        step = process_write(&old, &new);
    if (step == NULL)
        Py_RETURN_NONE;

    saved = errno;
    error = Py_BuildValue("(iN)", saved, PyUnicode_FromFormat("%s (%s)",
                          strerror(saved), step));
    if (error != NULL) {
        PyErr_SetObject(PyExc_OSError, error);
        Py_DECREF(error);
    }
    return NULL;
}

PyDoc_STRVAR(set_effective_doc,
"set_effective(mask, on) -> the bits of mask that this changed");

static PyObject *set_effective(PyObject *self, PyObject *args)
{
    unsigned long long mask, before;
    struct flags flags;
    int on;

    (void)self;
    if (!PyArg_ParseTuple(args, "Kp:set_effective", &mask, &on))
        return NULL;
    if (flags_read(&flags) != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    before = flags.effective;
    flags.effective = on ? before | mask : before & ~mask;
    if (flags.effective != before && flags_write(&flags) != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromUnsignedLongLong(flags.effective ^ before);
}

/* ---- text -------------------------------------------------------------- */

PyDoc_STRVAR(from_text_doc,
"from_text(text) -> (effective, permitted, inheritable)");

static PyObject *from_text(PyObject *self, PyObject *args)
{
    const char *text;
    struct flags flags;
    cap_t caps;
    int failed;

    (void)self;
    if (!PyArg_ParseTuple(args, "s:from_text", &text))
        return NULL;
    caps = cap_from_text(text);
    if (caps == NULL)
        return PyErr_SetFromErrno(PyExc_OSError);
    failed = flags_from_caps(&flags, caps);
    release(caps);
    if (failed)
        return PyErr_SetFromErrno(PyExc_OSError);
    return Py_BuildValue("(KKK)", flags.effective, flags.permitted,
                         flags.inheritable);
}

PyDoc_STRVAR(to_text_doc,
"to_text(effective, permitted, inheritable) -> text");

static PyObject *to_text(PyObject *self, PyObject *args)
{
    struct flags flags;
    PyObject *result;
    char *text;
    cap_t caps;

    (void)self;
    if (!PyArg_ParseTuple(args, "KKK:to_text", &flags.effective,
                          &flags.permitted, &flags.inheritable))
        return NULL;
    caps = caps_from_flags(&flags);
    if (caps == NULL)
        return PyErr_SetFromErrno(PyExc_OSError);
    text = cap_to_text(caps, NULL);
    release(caps);
    if (text == NULL)
        return PyErr_SetFromErrno(PyExc_OSError);
    result = PyUnicode_FromString(text);
    release(text);
    return result;
}

PyDoc_STRVAR(from_name_doc, "from_name(name) -> number, -1 for an unknown one");

static PyObject *from_name(PyObject *self, PyObject *args)
{
    const char *name;
    cap_value_t cap;

    (void)self;
    if (!PyArg_ParseTuple(args, "s:from_name", &name))
        return NULL;
    return PyLong_FromLong(cap_from_name(name, &cap) == 0 ? cap : -1);
}

PyDoc_STRVAR(to_name_doc,
"to_name(number) -> name, or the number in decimal where libcap has no name");

static PyObject *to_name(PyObject *self, PyObject *args)
{
    PyObject *result;
    char *name;
    int cap;

    (void)self;
    if (!PyArg_ParseTuple(args, "i:to_name", &cap))
        return NULL;
    name = cap_to_name(cap);
    if (name == NULL)
        return PyErr_SetFromErrno(PyExc_OSError);
    result = PyUnicode_FromString(name);
    release(name);
    return result;
}

PyDoc_STRVAR(count_doc, "count() -> how many capabilities this kernel has");

static PyObject *count(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    return PyLong_FromLong(cap_max_bits());
}

PyDoc_STRVAR(version_doc, "version() -> this package's, as the build has it");

static PyObject *version(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    return PyUnicode_FromString(VERSION);
}

/* ---- the module -------------------------------------------------------- */

static PyMethodDef methods[] = {
    { "get_process", get_process, METH_NOARGS, get_process_doc },
    { "set_process", set_process, METH_VARARGS, set_process_doc },
    { "set_effective", set_effective, METH_VARARGS, set_effective_doc },
    { "from_text", from_text, METH_VARARGS, from_text_doc },
    { "to_text", to_text, METH_VARARGS, to_text_doc },
    { "from_name", from_name, METH_VARARGS, from_name_doc },
    { "to_name", to_name, METH_VARARGS, to_name_doc },
    { "count", count, METH_NOARGS, count_doc },
    { "version", version, METH_NOARGS, version_doc },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_libcap",
    .m_doc = "libcap's calls; use capwrap.Caps.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__libcap(void);

PyMODINIT_FUNC PyInit__libcap(void)
{
    return PyModuleDef_Init(&module);
}
