--- What on this host keeps pulses from leaving in time, and the one command that mends it.
--- Only looks: nothing is changed, no port is opened.
local files = require "moonpulse.doctor.files"
local host = require "moonpulse.doctor.host"
local identities = require "moonpulse.doctor.identity"
local ports = require "moonpulse.doctor.ports"
local rights = require "moonpulse.doctor.rights"

local M = {}

---@class moonpulse.doctor.Finding
---@field name string
---@field status "ok"|"warn"|"bad"|"unknown"
---@field found string
---@field why string? what it does to pulses
---@field remedy string? one shell command

---@class moonpulse.doctor.Options
---@field root string? look at a faked host under this folder
---@field port string? look at this port only
---@field probe table? what core.realtime_probe said; without it the grants are unknown
---@field accessible (fun(path: string): boolean?)? the kernel's word on a path; without it the mode counts

local function port_findings(tree, identity, options, found, processes, add)
  for _, port in ipairs(found) do
    local permission = ports.permission(tree, identity, port, options.accessible)
    add(permission)
    add(ports.latency_timer(tree, port))
    add(ports.second_opener(tree, identity, port, processes))
  end
  if #found == 0 then
    add { name = "serial ports", status = "unknown", found = "none is there",
      why = "plug the stimulator's adapter in and look again" }
  end
end

--- Look at the host.
---@param options moonpulse.doctor.Options
---@return moonpulse.doctor.Finding[]
function M.examine(options)
  local tree = files.new(options.root or "")
  local identity, processes = identities.of(tree), host.processes(tree)
  local plugged = ports.list(tree)
  local usb = false
  for _, port in ipairs(plugged) do
    usb = usb or port.usb
  end
  local findings = {}
  local function add(finding)
    findings[#findings + 1] = finding
  end
  add(rights.priority(tree, identity, options.probe))
  add(rights.throttle(tree))
  add(rights.slack(tree, identity, options.probe))
  add(rights.memory(tree, identity, options.probe))
  add(rights.sleep(tree, identity, options.probe))
  add(host.processors(tree, identity))
  add(host.governor(tree))
  add(host.clock(tree))
  add(host.power(tree))
  add(host.modem_manager(tree, processes, usb))
  add(host.brltty(processes))
  port_findings(tree, identity, options, options.port and { { path = options.port } } or plugged,
    processes, add)
  return findings
end

--- How many findings have each status.
---@param findings moonpulse.doctor.Finding[]
---@return table<string, integer>
function M.count(findings)
  local counts = { ok = 0, warn = 0, bad = 0, unknown = 0 }
  for _, finding in ipairs(findings) do
    counts[finding.status] = counts[finding.status] + 1
  end
  return counts
end

return M
