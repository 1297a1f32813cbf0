/* A small stand-in for libnvidia-ml.so.1: the real pynvml asks it, and it answers from the text file
   that FAKE_NVML names. First line: return code of nvmlInit and number of boards. Then for each:
   uuid watts tick_ms counter_code power_code instant_code mig throttle_bits processes offset_mj
   where a code is what the NVML function returns (0 success, 3 not supported, 4 no permission,
   15 GPU is lost). The counter is watts x time since FAKE_NVML_EPOCH (monotonic), in whole ticks.

   What can be set is kept for all processes in the folder that FAKE_NVML_SETTINGS names, in one file
   for each board, called as its uuid:
   limit min max default (mW) gpu_min gpu_max memory_min memory_max (locked clocks in MHz, 0 none)
   persistence power_code gpu_code memory_code (returned by the setters) pause_us (of a setter) */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    char uuid[80];
    double watts, tick_ms;
    int counter, power, instant, mig, throttle, processes;
    double offset;
} Board;

static Board boards[8];
static int init_code = 9, count = 0;

static int load(void) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    init_code = 9; /* driver not loaded */
    count = 0;
    if (!file) return init_code;
    if (fscanf(file, "%d %d", &init_code, &count) != 2) init_code = 999;
    for (int i = 0; i < count; i++) {
        Board *b = &boards[i];
        if (fscanf(file, "%79s %lf %lf %d %d %d %d %d %d %lf", b->uuid, &b->watts, &b->tick_ms,
                   &b->counter, &b->power, &b->instant, &b->mig, &b->throttle, &b->processes,
                   &b->offset) != 10)
            init_code = 999;
    }
    fclose(file);
    return init_code;
}

static double since_epoch(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9 - atof(getenv("FAKE_NVML_EPOCH"));
}

static Board *board(void *handle) {
    load();
    return &boards[(intptr_t)handle - 1];
}

int nvmlInitWithFlags(unsigned flags) { return load(); }
int nvmlInit_v2(void) { return load(); }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) {
    switch (code) {
        case 2: return "Invalid Argument";
        case 3: return "Not Supported";
        case 4: return "Insufficient Permissions";
        case 6: return "Not Found";
        case 9: return "Driver Not Loaded";
        case 15: return "GPU is lost";
        default: return "Unknown Error";
    }
}
int nvmlDeviceGetCount_v2(unsigned *n) { load(); *n = count; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **handle) {
    *handle = (void *)(intptr_t)(i + 1);
    return 0;
}
int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned length) {
    snprintf(uuid, length, "%s", board(handle)->uuid);
    return 0;
}
int nvmlDeviceGetName(void *handle, char *name, unsigned length) {
    snprintf(name, length, "Fake GPU");
    return 0;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *pending) {
    Board *b = board(handle);
    if (b->mig < 0) return 3;
    *now = *pending = b->mig;
    return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *mj) {
    Board *b = board(handle);
    double tick_s = b->tick_ms / 1e3;
    if (b->counter) return b->counter;
    *mj = (unsigned long long)(b->offset + b->watts * 1e3 * tick_s * (long long)(since_epoch() / tick_s));
    return 0;
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *mw) {
    Board *b = board(handle);
    *mw = b->watts * 1e3;
    return b->power;
}
typedef struct {
    uint32_t fieldId, scopeId;
    int64_t timestamp, latencyUsec;
    int valueType, nvmlReturn;
    union { double d; uint32_t ui; uint64_t ull; } value;
} Field;
int nvmlDeviceGetFieldValues(void *handle, int n, Field *fields) {
    Board *b = board(handle);
    for (int i = 0; i < n; i++) {
        fields[i].nvmlReturn = fields[i].fieldId == 186 ? b->instant : 3;
        fields[i].value.ui = b->watts * 1e3;
    }
    return b->power;
}
int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *mw) { *mw = 700000; return 0; }
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *celsius) { *celsius = 55; return 0; }
int nvmlDeviceGetCurrentClocksEventReasons(void *handle, unsigned long long *reasons) {
    *reasons = board(handle)->throttle;
    return 0;
}
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu, compute; } Process;
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *n, Process *processes) {
    Board *b = board(handle);
    unsigned room = *n;
    *n = b->processes;
    if (b->processes == 0) return 0;
    if (!processes || room < *n) return 7;
    for (unsigned i = 0; i < *n; i++) processes[i] = (Process){1000 + i, 1 << 20, 0, 0};
    return 0;
}

typedef struct {
    unsigned limit, min, max, normal, gpu[2], memory[2], persistence;
    int power_code, gpu_code, memory_code;
    unsigned pause_us;
} Settings;

static int settings_path(void *handle, char *path, size_t length, const char *suffix) {
    const char *folder = getenv("FAKE_NVML_SETTINGS");
    return folder ? snprintf(path, length, "%s/%s%s", folder, board(handle)->uuid, suffix) : 0;
}
static int read_settings(void *handle, Settings *s) {
    char path[4096];
    FILE *file = settings_path(handle, path, sizeof path, "") ? fopen(path, "r") : NULL;
    if (!file) return 3;
    int n = fscanf(file, "%u %u %u %u %u %u %u %u %u %d %d %d %u", &s->limit, &s->min, &s->max,
                   &s->normal, &s->gpu[0], &s->gpu[1], &s->memory[0], &s->memory[1],
                   &s->persistence, &s->power_code, &s->gpu_code, &s->memory_code, &s->pause_us);
    fclose(file);
    return n == 13 ? 0 : 999;
}
/* Also a process that is killed in here leaves the old file or the new one, whole. */
static int write_settings(void *handle, const Settings *s) {
    char path[4096], new[4096], suffix[32];
    snprintf(suffix, sizeof suffix, ".%d", (int)getpid());
    settings_path(handle, path, sizeof path, "");
    settings_path(handle, new, sizeof new, suffix);
    FILE *file = fopen(new, "w");
    if (!file) return 999;
    fprintf(file, "%u %u %u %u %u %u %u %u %u %d %d %d %u\n", s->limit, s->min, s->max, s->normal,
            s->gpu[0], s->gpu[1], s->memory[0], s->memory[1], s->persistence, s->power_code,
            s->gpu_code, s->memory_code, s->pause_us);
    fclose(file);
    usleep(s->pause_us);
    return rename(new, path) ? 999 : 0;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    load();
    for (int i = 0; i < count; i++)
        if (!strcmp(boards[i].uuid, uuid)) {
            *handle = (void *)(intptr_t)(i + 1);
            return 0;
        }
    return 6;
}
int nvmlDeviceGetPowerManagementLimit(void *handle, unsigned *mw) {
    Settings s;
    int code = read_settings(handle, &s);
    if (!code) *mw = s.limit;
    return code;
}
int nvmlDeviceGetPowerManagementDefaultLimit(void *handle, unsigned *mw) {
    Settings s;
    int code = read_settings(handle, &s);
    if (!code) *mw = s.normal;
    return code;
}
int nvmlDeviceGetPowerManagementLimitConstraints(void *handle, unsigned *min, unsigned *max) {
    Settings s;
    int code = read_settings(handle, &s);
    if (!code) *min = s.min, *max = s.max;
    return code;
}
int nvmlDeviceSetPowerManagementLimit(void *handle, unsigned mw) {
    Settings s;
    int code = read_settings(handle, &s);
    if (code || (code = s.power_code)) return code;
    if (mw < s.min || mw > s.max) return 2;
    s.limit = mw;
    return write_settings(handle, &s);
}
int nvmlDeviceGetPersistenceMode(void *handle, unsigned *mode) {
    Settings s;
    int code = read_settings(handle, &s);
    if (!code) *mode = s.persistence;
    return code;
}
static int lock_clocks(void *handle, int memory, unsigned min, unsigned max) {
    Settings s;
    int code = read_settings(handle, &s);
    if (code || (code = memory ? s.memory_code : s.gpu_code)) return code;
    unsigned *range = memory ? s.memory : s.gpu;
    range[0] = min;
    range[1] = max;
    return write_settings(handle, &s);
}
int nvmlDeviceSetGpuLockedClocks(void *handle, unsigned min, unsigned max) {
    return lock_clocks(handle, 0, min, max);
}
int nvmlDeviceResetGpuLockedClocks(void *handle) { return lock_clocks(handle, 0, 0, 0); }
int nvmlDeviceSetMemoryLockedClocks(void *handle, unsigned min, unsigned max) {
    return lock_clocks(handle, 1, min, max);
}
int nvmlDeviceResetMemoryLockedClocks(void *handle) { return lock_clocks(handle, 1, 0, 0); }
static int clocks(unsigned *n, unsigned *mhz, unsigned top, unsigned step, unsigned have) {
    unsigned room = *n;
    *n = have;
    if (!mhz || room < have) return 7;
    for (unsigned i = 0; i < have; i++) mhz[i] = top - i * step; /* as NVML: highest first */
    return 0;
}
int nvmlDeviceGetSupportedMemoryClocks(void *handle, unsigned *n, unsigned *mhz) {
    Settings s;
    int code = read_settings(handle, &s);
    return code ? code : clocks(n, mhz, 2619, 1026, 2);
}
int nvmlDeviceGetSupportedGraphicsClocks(void *handle, unsigned memory, unsigned *n, unsigned *mhz) {
    Settings s;
    int code = read_settings(handle, &s);
    return code ? code : clocks(n, mhz, 1980, 15, 110);
}
int nvmlDeviceGetClockInfo(void *handle, int type, unsigned *mhz) {
    Settings s;
    int code = read_settings(handle, &s);
    if (type == 2) *mhz = s.memory[1] ? s.memory[1] : 2619;
    else *mhz = s.gpu[1] ? s.gpu[1] : 1980;
    return code;
}
