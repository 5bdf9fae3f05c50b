# Signs URLs of imaged: ImagedSigner.sign(path, key), or ImagedSigner.sign(path, key, expires) with the seconds since 1970.
require 'openssl'

module ImagedSigner
  def self.sign(path, key, expires = nil)
    message = expires ? "#{path}?e=#{expires}" : path
    digest = OpenSSL::HMAC.digest('SHA256', key, message)[0, 16]
    signature = [digest].pack('m0').tr('+/', '-_').delete('=')
    "#{path}?s=#{signature}" + (expires ? "&e=#{expires}" : '')
  end
end
