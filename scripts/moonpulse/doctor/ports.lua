--- Serial ports: may they be opened, how late do their replies come, who else has them open.
local identities = require "moonpulse.doctor.identity"

local M = {}

--- The serial ports of the host: { path =, usb = boolean }, real ones only.
---@param files moonpulse.doctor.Files
---@return { path: string, usb: boolean }[]
function M.list(files)
  local ports = {}
  for _, name in ipairs(files:list("/sys/class/tty") or {}) do
    local at = "/sys/class/tty/" .. name
    -- a ttyS of type 0 is a place where no chip was found
    if files:attributes(at .. "/device") and files:text(at .. "/type") ~= "0" then
      ports[#ports + 1] = { path = "/dev/" .. name, usb = name:match("^tty[UA][SC][BM]") ~= nil }
    end
  end
  return ports
end

--- By owner, group and mode, as the kernel decides without access control lists.
local function mode_allows(attributes, identity)
  if identities.holds(identity, "dac_override") then
    return true
  end
  local permissions, at = attributes.permissions, 7
  if attributes.uid == identity.uid then
    at = 1
  elseif identity.gids[attributes.gid] then
    at = 4
  end
  return permissions:sub(at, at + 1) == "rw"
end

local function refused(finding, attributes, identity, path)
  local group = identity.groups[attributes.gid]
  local name = group and group.name or tostring(attributes.gid)
  finding.status = "bad"
  finding.why = "the port cannot be opened"
  if attributes.permissions:sub(4, 5) ~= "rw" or not group then
    finding.found = ("only its owner may open it (%s)"):format(attributes.permissions)
    finding.remedy = ("sudo chgrp %s %s && sudo chmod 660 %s"):format(
      identities.port_group(identity), path, path)
    finding.why = finding.why .. "; the command holds until it is plugged in again"
  elseif group.members[identity.user] then
    finding.found = ("you joined the group %s after this login began"):format(name)
    finding.why = finding.why .. " before you log in again; the command opens a shell that may"
    finding.remedy = "newgrp " .. name
  else
    finding.found = ("the group %s may open it, you (%s) are not in it"):format(name, identity.user)
    finding.why = finding.why .. "; the command works from your next login on"
    finding.remedy = ("sudo usermod -aG %s %s"):format(name, identity.user)
  end
  return finding
end

--- accessible(path): the kernel's word, access control lists included; nil for a faked tree.
---@param files moonpulse.doctor.Files
---@param identity moonpulse.doctor.Identity
---@param port { path: string, usb: boolean }
---@param accessible (fun(path: string): boolean?)?
---@return moonpulse.doctor.Finding
function M.permission(files, identity, port, accessible)
  local finding = { name = "port " .. port.path }
  local attributes = files:attributes(port.path)
  if not attributes then
    finding.status, finding.found = "bad", "there is no such port"
    finding.why = "plug the adapter in; the command lists what is there"
    finding.remedy = "moonpulse ports"
    return finding
  elseif accessible and attributes.mode ~= "char device" then
    finding.status, finding.found = "bad", ("this is a %s, not a serial port"):format(attributes.mode)
    finding.remedy = "moonpulse ports"
    return finding
  elseif not identity.uid then
    finding.status, finding.found = "unknown", "the kernel does not say who you are"
    return finding
  end
  local allowed
  if accessible then
    allowed = accessible(port.path)
  else
    allowed = mode_allows(attributes, identity)
  end
  if not allowed then
    return refused(finding, attributes, identity, port.path)
  end
  local group = identity.groups[attributes.gid]
  finding.status = "ok"
  finding.found = ("may be opened (%s, group %s)"):format(attributes.permissions,
    group and group.name or tostring(attributes.gid))
  return finding
end

local ftdi_rule = [[echo 'ACTION=="add|change", SUBSYSTEM=="usb-serial", DRIVER=="ftdi_sio", ]]
  .. [[ATTR{latency_timer}="1"' | sudo tee /etc/udev/rules.d/99-moonpulse-ftdi.rules ]]
  .. "&& sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=usb-serial"

--- nil for adapters without such a timer.
---@param files moonpulse.doctor.Files
---@param port { path: string, usb: boolean }
---@return moonpulse.doctor.Finding?
function M.latency_timer(files, port)
  local name = files:resolve(port.path):match("[^/]+$")
  if not name then
    return nil
  end
  local text = files:text("/sys/bus/usb-serial/devices/" .. name .. "/latency_timer")
  local ms = tonumber(text or "")
  if not text then
    return nil
  end
  local finding = { name = "latency timer " .. name }
  if not ms then
    finding.status, finding.found = "unknown", "the adapter does not say"
  elseif ms <= 1 then
    finding.status, finding.found = "ok", ("%d ms (FTDI)"):format(ms)
  else
    finding.status, finding.found = "warn", ("%d ms (FTDI)"):format(ms)
    finding.why = ("each reply of the stimulator arrives up to %d ms late; pulses are not delayed. "
      .. "Not during a run: the change stalls the port for about 0.25 s"):format(ms)
    finding.remedy = ftdi_rule
  end
  return finding
end

--- Which process has the device open; and how many could not be looked into.
local function openers(files, identity, processes, device)
  local found, hidden = {}, 0
  for pid, comm in pairs(processes) do
    local fds = pid ~= identity.pid and files:list("/proc/" .. pid .. "/fd")
    if fds then
      for _, fd in ipairs(fds) do
        if files:link(("/proc/%d/fd/%s"):format(pid, fd)) == device then
          found[#found + 1] = { pid = pid, comm = comm }
          break
        end
      end
    elseif pid ~= identity.pid and files:text("/proc/" .. pid .. "/cmdline") ~= "" then
      hidden = hidden + 1 -- kernel threads have no command line and open nothing
    end
  end
  table.sort(found, function(a, b) return a.pid < b.pid end)
  return found, hidden
end

--- nil for pseudo-terminals, which their other side always holds open.
---@param files moonpulse.doctor.Files
---@param identity moonpulse.doctor.Identity
---@param port { path: string, usb: boolean }
---@param processes table<integer, string>?
---@return moonpulse.doctor.Finding?
function M.second_opener(files, identity, port, processes)
  local device = files:resolve(port.path)
  if device:match("^/dev/pts/") or not files:attributes(device) then
    return nil
  end
  local finding = { name = "in use " .. device:match("[^/]+$") }
  local found, hidden = {}, 1
  if processes then
    found, hidden = openers(files, identity, processes, device)
  end
  if #found > 0 then
    finding.status = "bad"
    finding.found = ("%s (pid %d) has it open"):format(found[1].comm, found[1].pid)
    finding.why = "replies go to whoever reads first, and two programs command one stimulator; "
      .. "close that program"
    finding.remedy = ("kill %d"):format(found[1].pid)
  elseif hidden > 0 then
    finding.status = "unknown"
    finding.found = "by no program of yours; other users' programs cannot be looked into"
    finding.remedy = "sudo fuser -v " .. device
  else
    finding.status, finding.found = "ok", "no other program has it open"
  end
  return finding
end

return M
