-- What make install leaves: a program, a library that stock Lua finds, the manual; and that all of it goes.
local lfs = require "lfs"
local shell = require "shell"

--- A program that is built with a sanitizer inside cannot be loaded by stock Lua, and valgrind is slow.
local is_plain = not shell.is_slow

--- Every command that the program lists, and by its name what its --help says.
local function commands_of(folder)
  local _, help = shell.moonpulse(folder, "--help")
  local list = {}
  for name in help:match("\nCommands:\n(.-)\n\n"):gmatch("\n? +([%w-]+)[^\n]*") do
    list[#list + 1] = name
  end
  assert.is_true(#list >= 28, #list)
  local lines, helps = {}, {}
  for i, name in ipairs(list) do
    lines[i] = name .. " --help"
  end
  for i, result in ipairs(shell.many(folder, lines)) do
    helps[list[i]] = result.out
  end
  return list, helps
end

-- not that of a make which runs this; and with the computer's clock, which its files have
local gmake = "env -u MAKEFLAGS -u MFLAGS -u LD_PRELOAD make --no-print-directory"

describe("the manual page", function()
  local manual = shell.read("docs/moonpulse.1"):gsub("\\%-", "-"):gsub("\\f.", "")
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("has every command, with each option that its --help has", function()
    local sections, seen = {}, 0 -- of options, each of one command or of several
    for names, from in manual:gmatch("\n%.SS \"?([^\"\n]+)\"?\n()") do
      sections[#sections + 1] = { of = (" %s "):format(names:gsub(",", "")),
        text = manual:match("(.-)\n%.S[SH]", from) }
    end
    assert.is_true(#sections >= 10)
    local commands, helps = commands_of(folder)
    for _, name in ipairs(commands) do
      assert.matches("\n%.B " .. name:gsub("%-", "%%-") .. "[ \n]", manual, name)
      local own = ""
      for _, section in ipairs(sections) do
        own = own .. (section.of:find(" " .. name .. " ", 1, true) and section.text or "")
      end
      for option in helps[name]:gmatch("\n +%-?%w?,? ?(%-%-[%w-]+)") do
        if option ~= "--help" then
          seen = seen + 1
          local text = ("\n" .. own .. "\n"):gsub(",", " ")
          assert.is_truthy(text:find(option:gsub("%-", "%%-") .. "[ \n]"), name .. " " .. option)
        end
      end
    end
    assert.is_true(seen > 70, seen)
  end)

  it("says with the general help of which commands 1 is a status: of those whose --help says so", function()
    local _, general = shell.moonpulse(folder, "--help")
    local own, pages = {}, { help = assert(general:match("Exit status: (.*)")),
      manual = assert(manual:match("\n%.SH EXIT STATUS\n(.-)\n%.SH")) }
    local commands, helps = commands_of(folder)
    for _, name in ipairs(commands) do
      local said = helps[name]:gsub("%s+", " "):match("[Ee]xit status .*")
      own[#own + 1] = said and said:find("%f[%d]1: ") and name or nil
    end
    table.sort(own)
    assert.are.same({ "diff", "explore", "rerun", "verify" }, own)
    for where, text in pairs(pages) do
      local told = {}
      for name in text:gsub("%s+", " "):match("5 stopped; (.*)"):gmatch("of ([%l-]+)") do
        told[#told + 1] = name
      end
      table.sort(told)
      assert.are.same(own, told, where)
    end
  end)

  it("has every variable of the environment that is read", function()
    local environment = assert(manual:match("%.SH ENVIRONMENT\n(.-)\n%.SH"))
    local pipe = io.popen("grep -rhoE 'getenv ?[(]?\"[A-Z_]+\"' scripts bindings engine")
    local count = 0
    for name in pipe:read("a"):gmatch('"([A-Z_]+)"') do
      count = count + 1
      assert.matches("\n.B " .. name .. "\n", environment, 1, true)
    end
    pipe:close()
    assert.is_true(count >= 4)
  end)
end)

describe("make install", function()
  local folder, prefix

  local function make(target, more)
    return shell.sh(folder, (gmake .. " %s B=%s DESTDIR=%s PREFIX=/opt/mp %s"):format(target,
      shell.quote(shell.program:match("^(.*)/moonpulse$")), shell.quote(folder), more or ""))
  end

  before_each(function()
    folder = shell.folder()
    prefix = folder .. "/opt/mp"
  end)

  after_each(function() shell.remove(folder) end)

  local function count(command)
    local _, out = shell.sh(folder, command .. " | wc -l")
    return tonumber(out)
  end

  it("is whole and readable for everybody, whatever the umask, and uninstall takes all away", function()
    if not is_plain then
      return pending("for the plain build")
    end
    local status, out, err = shell.sh(folder, "umask 077; exec make --no-print-directory install B="
      .. shell.program:match("^(.*)/moonpulse$") .. " PREFIX=/opt/mp DESTDIR=" .. shell.quote(folder))
    assert.are.equal(0, status, err)
    assert.is_nil(out:find("install -D", 1, true)) -- quiet
    assert.are.equal(0, count(("find %s ! -type l ! -perm -044"):format(shell.quote(folder .. "/opt"))))
    for _, file in ipairs { "bin/moonpulse", "share/man/man1/moonpulse.1", "share/doc/moonpulse/README.md",
      "share/doc/moonpulse/LICENSE", "share/doc/moonpulse/CHANGELOG.md",
      "share/doc/moonpulse/CONTRIBUTING.md", "share/doc/moonpulse/docs/README.md",
      "share/doc/moonpulse/docs/protocols.md",
      "share/moonpulse/protocols" } do
      assert.is_truthy(lfs.attributes(prefix .. "/" .. file), file)
    end
    -- a second time over it, with something of an older one
    shell.write(prefix .. "/share/moonpulse/scripts/moonpulse/old.lua", "")
    assert.are.equal(0, (make "install"))
    assert.is_nil(lfs.attributes(prefix .. "/share/moonpulse/scripts/moonpulse/old.lua"))
    assert.are.equal(0, (make "uninstall"))
    assert.are.equal(0, count(("find %s -type f -o -type l"):format(shell.quote(folder .. "/opt"))))
  end)

  it("gives a program, and a library for stock Lua, that have the catalogue and a simulator", function()
    if not is_plain then
      return pending("for the plain build")
    elseif (shell.sh(folder, "command -v lua5.4")) ~= 0 then
      return pending("lua5.4 is not installed")
    end
    assert.are.equal(0, (make "install"))
    local own = ("cd %s && %s/bin/moonpulse "):format(folder, prefix)
    local status, out = shell.sh(folder, own .. "show itbs600")
    assert.are.equal(0, status)
    assert.matches("pulses +600", out)
    shell.write(folder .. "/carried.lua", "print(package.searchers[2] 'moonpulse.cli')")
    status, out = shell.sh(folder, own .. "lua carried.lua") -- compiled, for these sources
    assert.are.equal(0, status)
    assert.matches("^function: .*/opt/mp/bin/../share/moonpulse/scripts/moonpulse/cli/init%.lua\n$", out)
    assert.are.equal(0, (shell.sh(folder, own .. "new protocol fresh && " .. own .. "test ./fresh_spec.lua")))
    -- as the default paths of lua5.4 find it in /usr/local
    local lua = ("cd %s && LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua;;' "
      .. "LUA_CPATH='%s/lib/lua/5.4/?.so;;' lua5.4 "):format(folder, prefix, prefix, prefix)
    assert.are.equal(0, (shell.sh(folder, lua .. "-e 'require \"moonpulse\"'")))
    local err
    status, out, err = shell.sh(folder, lua .. "-e 'require \"moonpulse.testing\".protocol(\"itbs600\")"
      .. ":pulses(600) print(require \"moonpulse.text.companions\".program())'")
    assert.are.equal(0, status, err)
    -- the simulator that a run of the library starts
    assert.are.equal(0, (shell.sh(folder, out:gsub("%s+$", "") .. " devices")))
  end)
end)

describe("make", function()
  it("shows its commands with V=1 only", function()
    local folder = shell.folder()
    for _, case in ipairs { { "", false }, { "V=1", true } } do
      local _, out, err = shell.sh(folder, (gmake .. " %s B=%s/build %s/build/engine/ratio.o")
        :format(case[1], folder, folder))
      assert.are.equal(case[2], out:find("-c engine/ratio.c", 1, true) ~= nil, out .. err)
      assert.are.equal("", err)
      assert.is_truthy(lfs.attributes(folder .. "/build/engine/ratio.o"))
      os.remove(folder .. "/build/engine/ratio.o")
    end
    shell.remove(folder)
  end)

  it("takes its flags from who calls it, and none from a DEBUG that is another's", function()
    local folder = shell.folder()
    local function command(target, set)
      local status, out, err = shell.sh(folder, ("DEBUG=1 %s V=1 -n B=%s %s/%s %s"):format(gmake, folder,
        folder, target, set))
      assert.are.equal(0, status, err)
      return out
    end
    assert.matches(" -O2 -g ", command("engine/ratio.o", ""), 1, true)
    assert.matches(" -O2 -g1 ", command("engine/ratio.o", "DEBUG=-g1"), 1, true)
    local linked = command("tests/test_ratio", "LDFLAGS=-fuse-ld=bfd") -- the last one is it
    assert.are.equal("bfd", linked:match "%-fuse%-ld=(%a+)[^=]*%-o [^\n]*test_ratio\n")
    shell.remove(folder)
  end)

  it("has built a program that says what to do where it was copied without its library", function()
    local folder = shell.folder()
    shell.sh(folder, ("mkdir %s/alone && cp %s %s/alone/moonpulse"):format(folder,
      shell.quote(shell.program), folder))
    local status, _, err = shell.sh(folder, ("cd %s/alone && ./moonpulse --help"):format(folder))
    assert.are.equal(1, status)
    assert.matches("^moonpulse: no library beside [^\n]*/alone/moonpulse: install it with make install\n$",
      err)
    shell.remove(folder)
  end)
end)
