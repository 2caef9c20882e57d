--- What a timing thread is granted: priority, timer slack, locked memory, a processor kept awake.
local identities = require "moonpulse.doctor.identity"

local M = {}

local needed_priority = 80 -- what the engine asks for

--- One command for both limits; pam_limits reads it at the next login.
local function limits_command(identity)
  return ("printf '%%s - rtprio 95\\n%%s - memlock unlimited\\n' %s %s | sudo tee "
    .. "/etc/security/limits.d/95-moonpulse.conf"):format(identity.user, identity.user)
end

local again = "; the command works from your next login on"

--- The file in limits.d that already grants item to somebody.
local function granted_in(files, item)
  for _, name in ipairs(files:list("/etc/security/limits.d") or {}) do
    local path = "/etc/security/limits.d/" .. name
    for line in (files:text(path) or ""):gmatch("[^\n]+") do
      if name:match("%.conf$") and line:match("^%s*[^#%s]+%s+%S+%s+" .. item .. "%s") then
        return path
      end
    end
  end
end

--- Why a limit is too low: it waits for a login, or nobody set it.
local function ungranted(files, identity, item, finding)
  local path = granted_in(files, item)
  if identity.uid == 0 then
    finding.why = finding.why .. "; root without the capability means a container: start it with "
      .. "--cap-add=sys_nice --cap-add=ipc_lock"
  elseif path then
    finding.why = ("%s; %s grants %s, but not to this login: if it names you, log in again"):format(
      finding.why, path, item)
    finding.remedy = "su - " .. identity.user
  else
    finding.why = finding.why .. again
    finding.remedy = limits_command(identity)
  end
  return finding
end

--- May a thread of this user run at a real-time priority? Else everything else may delay a pulse.
---@param files moonpulse.doctor.Files
---@param identity moonpulse.doctor.Identity
---@param probe moonpulse.core.Grants? nil: it was not tried
---@return moonpulse.doctor.Finding
function M.priority(files, identity, probe)
  local finding = { name = "real-time priority" }
  if not probe then
    finding.status, finding.found = "unknown", "not tried"
    return finding
  elseif probe.fifo then
    finding.status = "ok"
    finding.found = "SCHED_FIFO granted to a scratch thread"
      .. (probe.spin and "; the last 200 us are spun" or "; no spinning")
    return finding
  end
  finding.status = "bad"
  finding.why = "without SCHED_FIFO any busy program delays pulses by milliseconds"
  local limit, may = identity.rtprio, identities.holds(identity, "sys_nice")
  if may or limit and limit >= needed_priority then
    finding.found = "SCHED_FIFO refused, though the limits allow it"
    finding.why = finding.why .. "; the control group of this login has no real-time share"
    finding.remedy = "sudo sysctl -w kernel.sched_rt_runtime_us=-1"
    return finding
  end
  finding.found = limit and ("SCHED_FIFO refused: highest priority allowed is %d, %d is needed")
    :format(limit, needed_priority) or "SCHED_FIFO refused; the limit is not known"
  return ungranted(files, identity, "rtprio", finding)
end

--- How late the kernel may wake a thread without saying so.
---@param probe moonpulse.core.Grants?
---@return moonpulse.doctor.Finding
function M.slack(_, _, probe)
  local finding = { name = "timer slack" }
  local slack = probe and probe.slack_ns
  if not slack then
    finding.status, finding.found = "unknown", "not read back"
  elseif slack <= 1000 then
    finding.status, finding.found = "ok", ("%d ns on a scratch thread"):format(slack)
  else
    finding.status = "warn"
    finding.found = ("%g us on a scratch thread, 1 ns was asked for"):format(slack / 1e3)
    finding.why = "every wake may come that much late; a sandbox seems to refuse prctl"
  end
  return finding
end

--- May memory be locked? Else a page that was swapped out delays a pulse by milliseconds.
---@param files moonpulse.doctor.Files
---@param identity moonpulse.doctor.Identity
---@param probe moonpulse.core.Grants?
---@return moonpulse.doctor.Finding
function M.memory(files, identity, probe)
  local finding = { name = "memory lock" }
  if not probe then
    finding.status, finding.found = "unknown", "not tried"
    return finding
  elseif probe.locked then
    finding.status, finding.found = "ok", "all memory of the program could be locked"
    return finding
  end
  finding.status = "warn"
  finding.why = "a page that was swapped out can cost a pulse milliseconds"
  finding.found = "memory not locked"
  if identity.memlock and identity.memlock < math.huge then
    finding.found = ("memory not locked: the limit is %d KiB, unlimited is needed"):format(
      identity.memlock // 1024)
  end
  return ungranted(files, identity, "memlock", finding)
end

--- Can the processor's deep sleep, from which it wakes late, be held off?
---@param files moonpulse.doctor.Files
---@param identity moonpulse.doctor.Identity
---@param probe moonpulse.core.Grants?
---@return moonpulse.doctor.Finding
function M.sleep(files, identity, probe)
  local finding = { name = "processor sleep" }
  if probe and probe.dma then
    finding.status, finding.found = "ok", "deep sleep can be held off (/dev/cpu_dma_latency)"
  elseif not files:attributes("/dev/cpu_dma_latency") then
    finding.status, finding.found = "unknown", "no /dev/cpu_dma_latency on this kernel"
  elseif not probe then
    finding.status, finding.found = "unknown", "not tried"
  else
    local group = identities.port_group(identity)
    finding.status, finding.found = "warn", "/dev/cpu_dma_latency may not be written"
    finding.why = "waking from deep sleep costs up to some 100 us; gives the group " .. group
      .. " the right to hold it off"
    finding.remedy = ([[echo 'KERNEL=="cpu_dma_latency", GROUP="%s", MODE="0660"']]):format(group)
      .. " | sudo tee /etc/udev/rules.d/99-moonpulse-dma.rules && sudo udevadm control --reload"
      .. " && sudo udevadm trigger /dev/cpu_dma_latency"
  end
  return finding
end

--- Which share of each second real-time threads may take: beyond it the kernel stops them.
---@param files moonpulse.doctor.Files
---@return moonpulse.doctor.Finding
function M.throttle(files)
  local finding = { name = "real-time share" }
  local runtime = tonumber(files:text("/proc/sys/kernel/sched_rt_runtime_us") or "")
  local period = tonumber(files:text("/proc/sys/kernel/sched_rt_period_us") or "") or 1000000
  if not runtime then
    finding.status, finding.found = "unknown", "the kernel does not say"
  elseif runtime < 0 then
    finding.status, finding.found = "ok", "not limited"
  elseif runtime * 2 >= period then
    finding.status = "ok"
    finding.found = ("%g %% of each %g s"):format(100 * runtime / period, period / 1e6)
  else
    finding.status = runtime == 0 and "bad" or "warn"
    finding.found = ("only %g %% of each %g s"):format(100 * runtime / period, period / 1e6)
    finding.why = "real-time threads stand still for the rest of each period"
    finding.remedy = ("sudo sysctl -w kernel.sched_rt_runtime_us=%d"):format(period * 95 // 100)
  end
  return finding
end

return M
