local cjson = require "cjson"
local core = require "moonpulse.core"
local doctor = require "moonpulse.doctor"
local lfs = require "lfs"

local root, gid
local ana = lfs.attributes(".", "uid") == 1000 and 1001 or 1000 -- not the one who runs this

local function folder(path)
  local at = root
  for part in path:gmatch("[^/]+") do
    at = at .. "/" .. part
    lfs.mkdir(at)
  end
end

local function put(path, text)
  folder(path:match("^(.*)/"))
  local file = assert(io.open(root .. path, "wb"))
  file:write(text)
  file:close()
end

local function link(target, path)
  folder(path:match("^(.*)/"))
  assert(lfs.link(target, root .. path, true))
end

local function remove(path)
  assert(os.execute(("rm -rf '%s%s'"):format(root, path)))
end

local function status(uid, groups, capabilities)
  put("/proc/self/status", ("Name:\tmoonpulse\nPid:\t500\nUid:\t%d\t%d\t%d\t%d\nGid:\t%d\t%d\t%d\t%d\n"
    .. "Groups:\t%s \nCapEff:\t%s\nCpus_allowed_list:\t0-3\n"):format(uid, uid, uid, uid, uid, uid, uid,
    uid, groups, capabilities or "0000000000000000"))
end

local function limits(rtprio, memlock)
  put("/proc/self/limits", ("Limit                     Soft Limit           Hard Limit           Units\n"
    .. "Max locked memory         %-20s %-20s bytes\n"
    .. "Max realtime priority     %-20s %-20s \n"):format(memlock, memlock, rtprio, rtprio))
end

local function process(pid, comm, cmdline)
  put(("/proc/%d/comm"):format(pid), comm .. "\n")
  put(("/proc/%d/cmdline"):format(pid), cmdline or comm)
  folder(("/proc/%d/fd"):format(pid))
end

local granted = { fifo = true, spin = true, locked = true, dma = true, slack_ns = 1 }
local refused = { fifo = false, spin = false, locked = false, dma = false, slack_ns = 50000 }

--- A host on which nothing is wrong, with an FTDI adapter at ttyUSB0.
local function good_host()
  status(ana, ana .. " " .. gid)
  limits("95", "unlimited")
  put("/etc/passwd", ("root:x:0:0::/root:/bin/sh\nana:x:%d:%d::/home/ana:/bin/sh\n"):format(ana, ana))
  put("/etc/group", ("root:x:99990:\ndialout:x:%d:ana\nusers:x:99991:\n"):format(gid))
  put("/proc/sys/kernel/sched_rt_runtime_us", "950000\n")
  put("/proc/sys/kernel/sched_rt_period_us", "1000000\n")
  put("/sys/devices/system/cpu/online", "0-3\n")
  for cpu = 0, 3 do
    put(("/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor"):format(cpu), "performance\n")
  end
  folder "/sys/devices/system/cpu/cpufreq"
  put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n")
  put("/sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet acpi_pm\n")
  put("/sys/class/power_supply/AC/type", "Mains\n")
  put("/sys/class/power_supply/AC/online", "1\n")
  put("/sys/class/power_supply/BAT0/type", "Battery\n")
  folder "/sys/class/tty/ttyUSB0/device"
  folder "/sys/class/tty/tty0"
  folder "/sys/class/tty/ttyS1/device"
  put("/sys/class/tty/ttyS1/type", "0\n")
  put("/sys/bus/usb-serial/devices/ttyUSB0/latency_timer", "1\n")
  put("/dev/ttyUSB0", "")
  assert(os.execute(("chmod 660 '%s/dev/ttyUSB0'"):format(root)))
  put("/dev/cpu_dma_latency", "")
  process(1, "systemd")
  process(2, "kthreadd", "")
  process(500, "moonpulse")
  process(812, "firefox")
  link("/dev/ttyUSB0", "/proc/500/fd/7") -- ours
  link("/dev/null", "/proc/812/fd/0")
end

local function examine(options)
  options = options or {}
  options.root = root
  local by_name, findings = {}, doctor.examine(options)
  for _, finding in ipairs(findings) do
    assert.is_nil(by_name[finding.name], "two findings named " .. finding.name)
    by_name[finding.name] = finding
  end
  return by_name, findings
end

local function expect(finding, wanted_status, ...)
  assert.is_table(finding)
  assert.equal(wanted_status, finding.status, finding.name .. ": " .. finding.found)
  for _, phrase in ipairs { ... } do
    assert.truthy(finding.found:find(phrase, 1, true), finding.found .. " lacks " .. phrase)
  end
  if wanted_status == "ok" then
    assert.is_nil(finding.remedy)
  end
end

describe("the doctor on a faked host", function()
  before_each(function()
    root = os.tmpname()
    os.remove(root)
    assert(lfs.mkdir(root))
    put("/probe", "")
    gid = lfs.attributes(root .. "/probe", "gid") -- files made here belong to this group
    good_host()
  end)

  after_each(function()
    assert(os.execute(("rm -rf '%s'"):format(root)))
  end)

  it("finds nothing wrong with a good host", function()
    local by_name, findings = examine { probe = granted }
    for _, finding in ipairs(findings) do
      expect(finding, "ok")
    end
    assert.same({ ok = #findings, warn = 0, bad = 0, unknown = 0 }, doctor.count(findings))
    expect(by_name["processors"], "ok", "4 online")
    expect(by_name["power"], "ok", "mains")
    assert.is_table(by_name["port /dev/ttyUSB0"])
    assert.is_nil(by_name["port /dev/ttyS1"]) -- a place without a chip
    assert.is_nil(by_name["port /dev/tty0"])  -- a console
  end)

  it("names a command for all that is wrong with a bad host", function()
    status(ana, tostring(ana))
    limits("0", "8388608")
    put("/proc/sys/kernel/sched_rt_runtime_us", "0\n")
    put("/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "powersave\n")
    put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n")
    put("/sys/class/power_supply/AC/online", "0\n")
    process(77, "ModemManager")
    process(78, "brltty")
    local by_name = examine { probe = refused }
    expect(by_name["real-time priority"], "bad", "highest priority allowed is 0, 80 is needed")
    assert.truthy(by_name["real-time priority"].remedy:find(
      "ana ana | sudo tee /etc/security/limits.d/", 1, true))
    expect(by_name["real-time share"], "bad", "only 0 %")
    assert.equal("sudo sysctl -w kernel.sched_rt_runtime_us=950000", by_name["real-time share"].remedy)
    expect(by_name["timer slack"], "warn", "50 us")
    expect(by_name["memory lock"], "warn", "the limit is 8192 KiB")
    expect(by_name["processor sleep"], "warn")
    assert.truthy(by_name["processor sleep"].remedy:find('GROUP="dialout"', 1, true))
    expect(by_name["processor governor"], "warn", "performance on 3 of 4", "powersave on 1 of 4")
    expect(by_name["clock source"], "warn", "hpet")
    assert.truthy(by_name["clock source"].remedy:find("echo tsc | sudo tee", 1, true))
    expect(by_name["power"], "warn", "battery")
    expect(by_name["ModemManager"], "bad", "pid 77")
    expect(by_name["brltty"], "warn", "pid 78")
    for _, finding in pairs(by_name) do
      if finding.status == "bad" or finding.status == "warn" then
        assert.is_string(finding.why, finding.name)
        assert.is_true(finding.remedy ~= nil or finding.name == "timer slack", finding.name)
        assert.is_nil(finding.remedy and finding.remedy:find("\n"), finding.name)
      end
    end
  end)

  it("prints commands that a shell can read", function()
    status(ana, tostring(ana))
    limits("0", "8388608")
    put("/sys/bus/usb-serial/devices/ttyUSB0/latency_timer", "16\n")
    local _, findings = examine { probe = refused }
    local checked = 0
    for _, finding in ipairs(findings) do
      if finding.remedy then
        checked = checked + 1
        local script = root .. "/remedy.sh"
        put("/remedy.sh", finding.remedy .. "\n")
        assert.is_true(os.execute("sh -n '" .. script .. "'"), finding.remedy)
      end
    end
    assert.is_true(checked >= 4)
    put("/printf.sh", examine { probe = refused }["memory lock"].remedy:match("^(.-) | sudo"))
    local out = assert(io.popen("sh '" .. root .. "/printf.sh'"))
    assert.equal("ana - rtprio 95\nana - memlock unlimited\n", out:read("a"))
    out:close()
  end)

  it("says unknown where the host does not tell", function()
    for _, path in ipairs { "/proc", "/sys", "/etc", "/dev" } do
      remove(path)
    end
    local by_name, findings = examine()
    for _, finding in ipairs(findings) do
      expect(finding, "unknown")
    end
    assert.equal(0, doctor.count(findings).ok)
    expect(by_name["serial ports"], "unknown", "none is there")
  end)

  it("does not take hidden processes for absent ones", function()
    remove "/proc/1"
    expect(examine({ probe = granted })["ModemManager"], "unknown", "hidden")
    expect(examine({ probe = granted })["in use ttyUSB0"], "unknown")
  end)

  it("tells an FTDI adapter at 16 ms from one at 1 ms, and from others", function()
    expect(examine()["latency timer ttyUSB0"], "ok", "1 ms")
    put("/sys/bus/usb-serial/devices/ttyUSB0/latency_timer", "16\n")
    local finding = examine()["latency timer ttyUSB0"]
    expect(finding, "warn", "16 ms")
    assert.truthy(finding.remedy:find('ATTR{latency_timer}="1"', 1, true))
    assert.truthy(finding.why:find("pulses are not delayed", 1, true))
    put("/sys/bus/usb-serial/devices/ttyUSB0/latency_timer", "")
    expect(examine()["latency timer ttyUSB0"], "unknown")
    remove "/sys/bus/usb-serial"
    assert.is_nil(examine()["latency timer ttyUSB0"])
  end)

  it("finds ModemManager, weighs it by what is plugged in and by its rules", function()
    process(77, "ModemManager")
    local finding = examine()["ModemManager"]
    expect(finding, "bad", "pid 77")
    assert.equal("sudo systemctl mask --now ModemManager", finding.remedy)
    put("/etc/udev/rules.d/50-stim.rules", '# ID_MM_DEVICE_IGNORE\nATTRS{idVendor}=="0403"\n')
    expect(examine()["ModemManager"], "bad") -- only a comment
    put("/etc/udev/rules.d/50-stim.rules", 'ATTRS{idVendor}=="0403", ENV{ID_MM_DEVICE_IGNORE}="1"\n')
    expect(examine()["ModemManager"], "warn")
    remove "/etc/udev"
    remove "/sys/class/tty/ttyUSB0"
    expect(examine()["ModemManager"], "warn")
  end)

  it("explains a port that may not be opened", function()
    local path = "port /dev/ttyUSB0"
    expect(examine()[path], "ok", "group dialout")
    status(ana, tostring(ana))
    put("/etc/group", ("dialout:x:%d:bob\n"):format(gid))
    local finding = examine()[path]
    expect(finding, "bad", "the group dialout may open it, you (ana) are not in it")
    assert.equal("sudo usermod -aG dialout ana", finding.remedy)
    put("/etc/group", ("dialout:x:%d:bob,ana\n"):format(gid))
    finding = examine()[path]
    expect(finding, "bad", "you joined the group dialout after this login began")
    assert.equal("newgrp dialout", finding.remedy)
    assert(os.execute(("chmod 600 '%s/dev/ttyUSB0'"):format(root)))
    status(ana, ana .. " " .. gid)
    expect(examine()[path], "bad", "only its owner may open it (rw-------)")
    status(0, "0", "000001fffeffffff")
    expect(examine()[path], "ok")
    status(0, "0", "000001fffefffffd") -- root without CAP_DAC_OVERRIDE
    local uid = lfs.attributes(root .. "/probe", "uid")
    expect(examine()[path], uid == 0 and "ok" or "bad")
  end)

  it("believes the kernel before the mode: access control lists", function()
    status(ana, tostring(ana))
    remove "/dev/ttyUSB0"
    link("/dev/null", "/dev/ttyUSB0") -- a character device
    local name = "port /dev/ttyUSB0"
    local asked
    expect(examine({ accessible = function(path)
      asked = path
      return true
    end })[name], "ok")
    assert.equal("/dev/ttyUSB0", asked)
    expect(examine({ accessible = function() return false end })[name], "bad")
  end)

  it("looks at one port, through its link, and says when it is not there", function()
    link("../../ttyUSB0", "/dev/serial/by-id/usb-FTDI_X-if00")
    put("/sys/bus/usb-serial/devices/ttyUSB0/latency_timer", "16\n")
    link("/dev/ttyUSB0", "/proc/812/fd/4")
    local by_name = examine { port = "/dev/serial/by-id/usb-FTDI_X-if00" }
    expect(by_name["port /dev/serial/by-id/usb-FTDI_X-if00"], "ok")
    expect(by_name["latency timer ttyUSB0"], "warn", "16 ms")
    expect(by_name["in use ttyUSB0"], "bad", "firefox (pid 812)")
    assert.is_nil(by_name["port /dev/ttyUSB0"])
    by_name = examine { port = "/dev/ttyUSB9" }
    expect(by_name["port /dev/ttyUSB9"], "bad", "no such port")
    assert.equal("moonpulse ports", by_name["port /dev/ttyUSB9"].remedy)
  end)

  it("finds a second opener, and says when it could not look everywhere", function()
    expect(examine()["in use ttyUSB0"], "ok")
    link("/dev/ttyUSB0", "/proc/812/fd/4")
    local finding = examine()["in use ttyUSB0"]
    expect(finding, "bad", "firefox (pid 812) has it open")
    assert.equal("kill 812", finding.remedy)
    remove "/proc/812/fd" -- another user's: its files are not to be seen
    finding = examine()["in use ttyUSB0"]
    expect(finding, "unknown")
    assert.equal("sudo fuser -v /dev/ttyUSB0", finding.remedy)
    remove "/proc/812"
    remove "/proc/2/fd" -- a kernel thread opens nothing
    expect(examine()["in use ttyUSB0"], "ok")
  end)

  it("tells a limit that waits for a login from one that nobody set", function()
    limits("0", "8388608")
    put("/etc/security/limits.d/audio.conf", "# @audio - rtprio 95\n")
    local function remedy()
      return examine({ probe = refused })["real-time priority"].remedy
    end
    assert.truthy(remedy():find("sudo tee /etc/security/limits.d/", 1, true))
    put("/etc/security/limits.d/audio.conf", "@audio - rtprio 95\n")
    assert.equal("su - ana", remedy())
    limits("95", "unlimited")
    assert.equal("sudo sysctl -w kernel.sched_rt_runtime_us=-1", remedy())
    limits("0", "8388608")
    status(0, "0", "0000000000000000") -- root in a container
    assert.is_nil(remedy())
  end)

  it("asks for a second processor only where there is one", function()
    status(ana, ana .. " " .. gid)
    put("/proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCpus_allowed_list:\t2\n")
    local finding = examine()["processors"]
    expect(finding, "warn", "1 of 4 may be used")
    assert.equal("taskset --cpu-list 0-3 moonpulse doctor", finding.remedy)
    put("/sys/devices/system/cpu/online", "2\n")
    finding = examine()["processors"]
    expect(finding, "warn", "1 online")
    assert.is_nil(finding.remedy)
    put("/proc/self/status", "Cpus_allowed_list:\t0-1,4,8-10\n")
    put("/sys/devices/system/cpu/online", "0-15\n")
    expect(examine()["processors"], "ok", "6 of 16 may be used")
  end)

  it("is a command: lines for people or JSON, exit status 4 when something is bad", function()
    local function command(arguments)
      local pipe = assert(io.popen(("'%s' doctor --root '%s' %s 2>&1"):format(core.executable(), root,
        arguments)))
      local text = pipe:read("a")
      local _, _, code = pipe:close()
      return text, code
    end
    if not core.executable():match("moonpulse$") then
      pending("needs the moonpulse program")
      return
    end
    local text, code = command ""
    assert.equal(0, code)
    assert.truthy(text:find("ok       clock source           tsc\n", 1, true), text)
    assert.truthy(text:find("unknown  real-time priority     not tried\n", 1, true), text)
    put("/sys/bus/usb-serial/devices/ttyUSB0/latency_timer", "16\n")
    process(77, "ModemManager")
    text, code = command ""
    assert.equal(4, code)
    assert.truthy(text:find("BAD      ModemManager           running (pid 77)\n", 1, true), text)
    assert.truthy(text:find("\n             sudo systemctl mask --now ModemManager\n", 1, true), text)
    assert.truthy(text:find("1 BAD, 1 warn", 1, true), text)
    text, code = command "--json --latency 0.1"
    assert.equal(4, code)
    local last, seen = nil, {}
    for line in text:gmatch("[^\n]+") do
      last = cjson.decode(line)
      seen[last.name] = last.status
    end
    assert.equal("bad", seen["ModemManager"])
    assert.equal("latency test", last.name)
    assert.equal(101, last.wakes)
    local sum = 0
    for _, row in ipairs(last.histogram_us) do
      sum = sum + row[3]
    end
    assert.equal(last.wakes, sum)
    assert.equal(2, select(2, command "--latency 0"))
  end)
end)
