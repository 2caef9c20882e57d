--- The machine: processors, governor, clock, power, and programs that grab serial ports.
local M = {}

--- How many numbers a list such as "0-3,8" names; nil when it is none.
local function count(list)
  if not list or not list:match("^%d[%d,%-]*$") then
    return nil
  end
  local total = 0
  for part in list:gmatch("[^,]+") do
    local low, high = part:match("^(%d+)%-?(%d*)$")
    total = total + (tonumber(high) or tonumber(low)) - tonumber(low) + 1
  end
  return total
end

--- How many processors this process may use: on an only one nobody spins, and wakes are later.
---@param files moonpulse.doctor.Files
---@param identity moonpulse.doctor.Identity
---@return moonpulse.doctor.Finding
function M.processors(files, identity)
  local finding = { name = "processors" }
  local online = files:text("/sys/devices/system/cpu/online")
  local all, allowed = count(online), count(identity.cpus)
  local usable = allowed or all
  if not usable then
    finding.status, finding.found = "unknown", "the kernel does not say how many"
    return finding
  end
  finding.status = "ok"
  finding.found = all and allowed and allowed < all and ("%d of %d may be used"):format(allowed, all)
    or ("%d online"):format(usable)
  if usable < 2 then
    finding.status = "warn"
    finding.why = "no spinning on an only processor: wakes are tens of microseconds later; use two"
    if all and all > 1 then
      finding.remedy = ("taskset --cpu-list %s moonpulse doctor"):format(online)
    end
  end
  return finding
end

--- Which governor sets the processors' frequency: one that saves power wakes late.
---@param files moonpulse.doctor.Files
---@return moonpulse.doctor.Finding
function M.governor(files)
  local finding = { name = "processor governor" }
  local kinds, total = {}, 0
  for _, name in ipairs(files:list("/sys/devices/system/cpu") or {}) do
    local governor = name:match("^cpu%d+$")
      and files:text("/sys/devices/system/cpu/" .. name .. "/cpufreq/scaling_governor")
    if governor then
      kinds[governor] = (kinds[governor] or 0) + 1
      total = total + 1
    end
  end
  if total == 0 then
    finding.status = "unknown"
    finding.found = "the kernel does not set frequencies here (usual on virtual machines)"
    return finding
  end
  local texts = {}
  for governor, cpus in pairs(kinds) do
    texts[#texts + 1] = ("%s on %d of %d"):format(governor, cpus, total)
  end
  table.sort(texts)
  finding.found = table.concat(texts, ", ")
  finding.status = kinds.performance == total and "ok" or "warn"
  if finding.status == "warn" then
    finding.why = "a processor that must speed up first wakes later; holds until the next start"
    finding.remedy = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
  end
  return finding
end

local clocks = { -- name -> cheap to read, steady?
  tsc = true, ["kvm-clock"] = true, arch_sys_counter = true, hyperv_clocksource_tsc_page = true,
  xen = true, hpet = false, acpi_pm = false, jiffies = false, ["refined-jiffies"] = false,
}

--- Which clock the kernel reads: all but the processor's own counter take a microsecond and more.
---@param files moonpulse.doctor.Files
---@return moonpulse.doctor.Finding
function M.clock(files)
  local folder = "/sys/devices/system/clocksource/clocksource0/"
  local finding = { name = "clock source" }
  local current = files:text(folder .. "current_clocksource")
  if not current then
    finding.status, finding.found = "unknown", "the kernel does not say"
  elseif clocks[current] then
    finding.status, finding.found = "ok", current
  elseif clocks[current] == nil then
    finding.status, finding.found = "unknown", current .. " (not one we know)"
  else
    finding.status, finding.found = "warn", current
    finding.why = "reading it costs about a microsecond or more, at every look at the time"
    local available = " " .. (files:text(folder .. "available_clocksource") or "") .. " "
    if available:find(" tsc ", 1, true) then
      finding.remedy = "echo tsc | sudo tee " .. folder .. "current_clocksource"
    else
      finding.why = finding.why .. "; the kernel offers no better one (see: dmesg | grep -i tsc)"
    end
  end
  return finding
end

--- Does the host run from its battery, on which it saves power?
---@param files moonpulse.doctor.Files
---@return moonpulse.doctor.Finding
function M.power(files)
  local finding = { name = "power" }
  local supplies = files:list("/sys/class/power_supply")
  if not supplies then
    finding.status, finding.found = "unknown", "the kernel does not say"
    return finding
  end
  local battery, online
  for _, name in ipairs(supplies) do
    local at = "/sys/class/power_supply/" .. name
    local kind = files:text(at .. "/type")
    if kind == "Battery" and files:text(at .. "/scope") ~= "Device" then -- Device: a mouse's
      battery = true
    elseif kind == "Mains" or kind == "USB" then
      online = online or files:text(at .. "/online") == "1"
    end
  end
  if not battery then
    finding.status, finding.found = "ok", "no battery"
  elseif online then
    finding.status, finding.found = "ok", "a laptop on mains"
  else
    finding.status, finding.found = "warn", "a laptop on battery"
    finding.why = "it may slow down or fall asleep within a session: plug it in; the command keeps "
      .. "it awake"
    finding.remedy = "systemd-inhibit --what=sleep:idle:handle-lid-switch moonpulse run ..."
  end
  return finding
end

--- pid -> program name; nil when not even the first process is to be seen (hidepid).
---@param files moonpulse.doctor.Files
---@return table<integer, string>?
function M.processes(files)
  if not files:text("/proc/1/comm") then
    return nil
  end
  local running = {}
  for _, pid in ipairs(files:list("/proc") or {}) do
    local comm = pid:match("^%d+$") and files:text("/proc/" .. pid .. "/comm")
    if comm then
      running[tonumber(pid)] = comm
    end
  end
  return running
end

local function runs(processes, wanted)
  for pid, comm in pairs(processes) do
    if comm == wanted then
      return pid
    end
  end
end

--- The udev rules file that keeps ModemManager off some devices.
local function ignoring(files)
  for _, name in ipairs(files:list("/etc/udev/rules.d") or {}) do
    local text = name:match("%.rules$") and files:text("/etc/udev/rules.d/" .. name)
    if text and ("\n" .. text):match("\n[^#\n]*ID_MM_[A-Z_]*IGNORE") then
      return "/etc/udev/rules.d/" .. name
    end
  end
end

--- Does ModemManager run? It asks every new serial port whether it is a modem, and a stimulator hears that.
---@param files moonpulse.doctor.Files
---@param processes table<integer, string>? of processes()
---@param usb boolean is a USB serial port plugged in?
---@return moonpulse.doctor.Finding
function M.modem_manager(files, processes, usb)
  local finding = { name = "ModemManager" }
  if not processes then
    finding.status, finding.found = "unknown", "other users' processes are hidden here"
    finding.remedy = "systemctl is-active ModemManager"
    return finding
  end
  local pid = runs(processes, "ModemManager")
  if not pid then
    finding.status, finding.found = "ok", "not running"
    return finding
  end
  local rule = ignoring(files)
  finding.found = ("running (pid %d)"):format(pid)
  finding.status = usb and not rule and "bad" or "warn"
  finding.why = "it opens new serial ports and writes modem commands (AT...) to the stimulator"
    .. (rule and "; " .. rule .. " keeps it off some devices: check that it names yours" or "")
    .. "; undo with: sudo systemctl unmask ModemManager"
  finding.remedy = "sudo systemctl mask --now ModemManager"
  return finding
end

--- brltty takes some USB serial adapters for braille displays; nil when it does not run.
---@param processes table<integer, string>?
---@return moonpulse.doctor.Finding?
function M.brltty(processes)
  local pid = processes and runs(processes, "brltty")
  return pid and {
    name = "brltty", status = "warn", found = ("running (pid %d)"):format(pid),
    why = "it takes some USB adapters for braille displays and their port disappears; leave it "
      .. "if a braille display is in use",
    remedy = "sudo systemctl mask --now brltty",
  }
end

return M
